<?php
// A sale in PHP 8.1 with curl: php till.php http://127.0.0.1:8000
// php till.php check      prints the signature of the documented example
declare(strict_types=1);

const SCHEME = 'POS1-HMAC-SHA256';

/** Plaza said no: programs go by the problem's code, the cashier reads the message. */
final class Refused extends RuntimeException
{
    public function __construct(public readonly string $problem, string $message)
    {
        parent::__construct($message);
    }
}

function sign(
    string $secret, string $keyId, int $timestamp, string $nonce, string $method,
    string $path, string $query, string $idempotencyKey, string $body
): string {
    $lines = [SCHEME, $keyId, $timestamp, $nonce, $method, $path, $query, $idempotencyKey, hash('sha256', $body)];
    $text = implode("\n", $lines) . "\n"; // Never PHP_EOL.
    return base64_encode(hash_hmac('sha256', $text, $secret, binary: true));
}

final class Till
{
    public function __construct(
        private readonly string $base,
        private readonly string $keyId,
        private readonly string $secret,
    ) {
    }

    /** Sends a write until there is an answer, always with the same key and the same bytes. */
    public function post(string $path, array $content): array
    {
        $body = json_encode($content, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
        $key = bin2hex(random_bytes(16));
        // Here a real till writes the key and the body to its disk, before the first send.
        for ($wait = 0.2; ; $wait = min($wait * 2, 8.0)) {
            [$status, $told] = $this->send($path, $key, $body);
            if ($status >= 200 && $status < 300) {
                return $told;
            }
            $again = $status === 0 || $status >= 500 || $status === 429
                || ($told['code'] ?? '') === 'idempotency-in-flight';
            if (!$again) {
                throw new Refused($told['code'] ?? 'unknown', $told['detail'] ?? $told['title'] ?? (string) $status);
            }
            fwrite(STDERR, "no answer ($status), the same again\n");
            usleep((int) ($wait * 1_000_000));
        }
    }

    /** @return array{int, array<string, mixed>} the status, 0 if there was no answer */
    private function send(string $path, string $key, string $body): array
    {
        $timestamp = time();
        $nonce = bin2hex(random_bytes(16)); // A fresh one at every try.
        $signature = sign($this->secret, $this->keyId, $timestamp, $nonce, 'POST', $path, '', $key, $body);
        $curl = curl_init($this->base . $path);
        curl_setopt_array($curl, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 5,
            CURLOPT_TIMEOUT => 10,
            CURLOPT_HTTPHEADER => [
                'Authorization: ' . SCHEME . " key_id=\"{$this->keyId}\",timestamp=\"$timestamp\","
                    . "nonce=\"$nonce\",signature=\"$signature\"",
                "Idempotency-Key: $key",
                'Content-Type: application/json',
            ],
        ]);
        $answer = curl_exec($curl);
        $status = $answer === false ? 0 : curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        return [$status, json_decode((string) $answer, true) ?? []];
    }
}

if (($argv[1] ?? '') === 'check') {
    echo sign(
        implode('', array_map('chr', range(0, 31))), 'pk_test_0001', 1768464000, 'n-0123456789abcdef',
        'POST', '/v1/pos/redemptions', 'dry_run=0&store=S01', 'idem-0001-0001-0001',
        '{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}',
    ), "\n"; // 1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw=
    exit(0);
}

$till = new Till(
    $argv[1] ?? 'http://127.0.0.1:8000',
    'pk_sandbox_PUBLISHED',
    base64_decode('d29ydGhsZXNzOiBldmVyeWJvZHkga25vd3MgdGhpcyE='),
);
try {
    $sold = $till->post('/v1/pos/orders', [
        'terminal_id' => 'T1',
        'cashier_id' => '007',
        'number' => 'T1-' . bin2hex(random_bytes(8)), // A real till counts its sales.
        'lines' => [['sku' => '6901', 'name' => '龙井', 'amount_fen' => 12800]],
        'tenders' => [['name' => 'cash', 'fen' => 12800]],
    ]);
    echo "{$sold['order_id']} due {$sold['due_fen']} fen\n", implode("\n", $sold['receipt']['zh']), "\n";
} catch (Refused $refused) {
    fwrite(STDERR, "{$refused->problem}: {$refused->getMessage()}\n");
    exit(1);
}
