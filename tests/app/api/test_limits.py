"""Reliability §6, §8, §12: limits in Redis, and in memory at a quarter when Redis is gone."""

import time
from collections.abc import Iterator

import pytest
import redis

from app.api.errors import BadSignature, RateLimited
from app.api.limits import Bucket, Limit, Limiter
from tests.factories import unique

SLOW = Limit(requests=8, seconds=60, burst=8)


@pytest.fixture
def limiter(redis_url: str) -> Iterator[Limiter]:
    with redis.Redis.from_url(redis_url) as connection:
        yield Limiter(connection)


@pytest.fixture
def alone() -> Iterator[Limiter]:
    with redis.Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1) as connection:
        yield Limiter(connection)


def _let_in(limiter: Limiter, bucket: Bucket, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            limiter.pass_through([bucket])
        except RateLimited:
            continue
        count += 1
    return count


def test_a_burst_passes_and_then_one_at_a_time(limiter: Limiter) -> None:
    bucket = Bucket(name=unique("b"), limit=Limit(requests=20, seconds=1, burst=5))

    at_once = _let_in(limiter, bucket, 6)
    time.sleep(0.06)

    assert at_once == 5
    assert _let_in(limiter, bucket, 2) == 1


def test_who_must_wait_is_told_how_long(limiter: Limiter) -> None:
    bucket = Bucket(name=unique("b"), limit=Limit(requests=1, seconds=60, burst=1))
    limiter.pass_through([bucket])

    with pytest.raises(RateLimited) as refused:
        limiter.pass_through([bucket])

    assert refused.value.headers["Retry-After"] == "60"


def test_a_full_bucket_takes_nothing_from_the_others(limiter: Limiter) -> None:
    full = Bucket(name=unique("b"), limit=Limit(requests=1, seconds=60, burst=1))
    other = Bucket(name=unique("b"), limit=SLOW)
    limiter.pass_through([full])

    for _ in range(20):
        with pytest.raises(RateLimited):
            limiter.pass_through([other, full])

    assert _let_in(limiter, other, 8) == 8


def test_a_nonce_is_good_once_and_no_key_lives_for_ever(limiter: Limiter, redis_url: str) -> None:
    bucket, nonce = Bucket(name=unique("b"), limit=SLOW), unique("n")

    limiter.pass_through([bucket], nonce=nonce)
    with pytest.raises(BadSignature):
        limiter.pass_through([bucket], nonce=nonce)

    with redis.Redis.from_url(redis_url) as connection:
        assert 650 < int(connection.ttl(f"plaza:nonce:{nonce}")) <= 660
        assert 0 < int(connection.ttl(f"plaza:limit:{bucket.name}")) <= 8


def test_a_refused_request_does_not_use_its_nonce_up(limiter: Limiter) -> None:
    bucket = Bucket(name=unique("b"), limit=Limit(requests=10, seconds=1, burst=1))
    nonce = unique("n")
    limiter.pass_through([bucket])

    with pytest.raises(RateLimited):
        limiter.pass_through([bucket], nonce=nonce)
    time.sleep(0.15)

    limiter.pass_through([bucket], nonce=nonce)


def test_without_redis_a_quarter_passes_and_nonces_are_allowed(alone: Limiter) -> None:
    bucket = Bucket(name="b", limit=SLOW)

    alone.pass_through([bucket], nonce="n-0123456789abcdef")

    assert _let_in(alone, bucket, 8) == 1
    alone.pass_through([Bucket(name="c", limit=SLOW)], nonce="n-0123456789abcdef")


def test_a_dead_redis_costs_one_time_out_and_not_each_request_one(alone: Limiter) -> None:
    bucket = Bucket(name="b", limit=Limit(requests=1000, seconds=1, burst=1000))
    alone.pass_through([bucket])

    began = time.perf_counter()
    assert _let_in(alone, bucket, 200) == 200

    assert time.perf_counter() - began < 1
