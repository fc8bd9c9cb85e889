"""The group of the coupon commands."""

import click


@click.group()
def coupons() -> None:
    """卡券：模板、批次、券码与会员的券 / coupons: templates, batches, codes, members' coupons.

    \b
    plaza coupons template add spring.json --as lin
    plaza coupons template add --preset money-off --set code=M50 --set title_zh=满300减50 \\
        --set title_en="50 off 300" --set fen=5000 --set min_fen=30000 --set days=30 \\
        --set total=100 --as lin
    plaza coupons batch open SPRING --template M50 --from 2026-12-01 --to 2027-01-01 \\
        --reason 开业 --as lin
    plaza coupons claim SPRING 13800138000 --as lin
    plaza coupons wallet 13800138000
    plaza coupons try sale.json
    """
