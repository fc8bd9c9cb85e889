// A sale in Java 17, without dependencies: java Till.java http://127.0.0.1:8000
// java Till.java check      prints the signature of the documented example
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Till {
    static final String SCHEME = "POS1-HMAC-SHA256";

    private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    private final String base;
    private final String keyId;
    private final byte[] secret;

    Till(String base, String keyId, byte[] secret) {
        this.base = base;
        this.keyId = keyId;
        this.secret = secret;
    }

    /** Plaza said no: programs go by the code, the cashier reads the message. */
    static class Refused extends Exception {
        final String code;

        Refused(String code, String message) {
            super(message);
            this.code = code;
        }
    }

    static String sign(byte[] secret, String keyId, long timestamp, String nonce, String method,
                       String path, String query, String idempotencyKey, byte[] body)
            throws GeneralSecurityException {
        String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        List<String> lines = List.of(SCHEME, keyId, Long.toString(timestamp), nonce, method, path,
                query, idempotencyKey, hash);
        String text = String.join("\n", lines) + "\n"; // Never System.lineSeparator().
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret, "HmacSHA256"));
        return Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Sends a write until there is an answer, always with the same key and the same bytes. */
    String post(String path, String json) throws Refused, GeneralSecurityException, InterruptedException {
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        String key = UUID.randomUUID().toString();
        // Here a real till writes the key and the body to its disk, before the first send.
        for (long wait = 200; ; wait = Math.min(wait * 2, 8_000)) {
            try {
                HttpResponse<String> answer = client.send(signed(path, key, body), BodyHandlers.ofString());
                String told = answer.body();
                if (answer.statusCode() < 300) {
                    return told;
                }
                String code = text(told, "code");
                if (answer.statusCode() < 500 && answer.statusCode() != 429 && !code.equals("idempotency-in-flight")) {
                    String detail = text(told, "detail");
                    throw new Refused(code, detail.isEmpty() ? text(told, "title") : detail);
                }
                wait = Math.max(wait, answer.headers().firstValueAsLong("Retry-After").orElse(0) * 1_000);
            } catch (IOException lost) { // Time-outs too.
                System.err.println("no answer (" + lost.getClass().getSimpleName() + "), the same again");
            }
            Thread.sleep(wait);
        }
    }

    private HttpRequest signed(String path, String key, byte[] body) throws GeneralSecurityException {
        long timestamp = Instant.now().getEpochSecond();
        String nonce = UUID.randomUUID().toString(); // A fresh one at every try.
        String signature = sign(secret, keyId, timestamp, nonce, "POST", path, "", key, body);
        return HttpRequest.newBuilder(URI.create(base + path))
                .timeout(Duration.ofSeconds(10))
                .header("Authorization", String.format(
                        "%s key_id=\"%s\",timestamp=\"%d\",nonce=\"%s\",signature=\"%s\"",
                        SCHEME, keyId, timestamp, nonce, signature))
                .header("Idempotency-Key", key)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(body))
                .build();
    }

    /** Reads one text of a flat answer; a real till uses its JSON library. */
    static String text(String json, String name) {
        var found = Pattern.compile("\"" + name + "\":\\s*\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 1 && arguments[0].equals("check")) {
            byte[] secret = new byte[32];
            for (int number = 0; number < 32; number++) {
                secret[number] = (byte) number;
            }
            String example = "{\"member_code\":\"9201234567891234\",\"pos_txn_no\":\"T20260115-0001\",\"amount_fen\":12800}";
            System.out.println(sign(secret, "pk_test_0001", 1768464000L, "n-0123456789abcdef", "POST",
                    "/v1/pos/redemptions", "dry_run=0&store=S01", "idem-0001-0001-0001",
                    example.getBytes(StandardCharsets.UTF_8)));
            return; // 1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw=
        }
        String base = arguments.length > 0 ? arguments[0] : "http://127.0.0.1:8000";
        byte[] secret = Base64.getDecoder().decode("d29ydGhsZXNzOiBldmVyeWJvZHkga25vd3MgdGhpcyE=");
        Till till = new Till(base, "pk_sandbox_PUBLISHED", secret);
        String number = "T1-" + UUID.randomUUID(); // A real till counts its sales.
        try {
            String sold = till.post("/v1/pos/orders", """
                    {"terminal_id": "T1", "cashier_id": "007", "number": "%s",
                     "lines": [{"sku": "6901", "name": "龙井", "amount_fen": 12800}],
                     "tenders": [{"name": "cash", "fen": 12800}]}""".formatted(number));
            System.out.println(text(sold, "order_id") + " is " + text(sold, "state"));
            System.out.println(sold.replaceAll(".*\"zh\":\\[\"(.*?)\"\\].*", "$1").replace("\",\"", "\n"));
        } catch (Refused refused) {
            System.err.println(refused.code + ": " + refused.getMessage());
            System.exit(1);
        }
    }
}
