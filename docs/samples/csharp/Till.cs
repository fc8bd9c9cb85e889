// A sale in C# (.NET 8): signing, a repeat under the same key after a time-out, receipt and refusal.
//   dotnet new console -o till && cp Till.cs till/Program.cs && dotnet run --project till -- http://127.0.0.1:8000
//   dotnet run --project till -- check      prints the signature of the documented example
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

if (args is ["check"])
{
    var example = """{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}""";
    var request = new SignedRequest("POST", "/v1/pos/redemptions", "dry_run=0&store=S01", "idem-0001-0001-0001", Encoding.UTF8.GetBytes(example));
    var key = Enumerable.Range(0, 32).Select(number => (byte)number).ToArray();
    Console.WriteLine(request.Sign("pk_test_0001", key, 1768464000, "n-0123456789abcdef"));
    // 1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw=
    return 0;
}

using var till = new Till(
    args.FirstOrDefault() ?? "http://127.0.0.1:8000",
    "pk_sandbox_PUBLISHED",
    Convert.FromBase64String("d29ydGhsZXNzOiBldmVyeWJvZHkga25vd3MgdGhpcyE="));
try
{
    var sold = await till.PostAsync("/v1/pos/orders", new
    {
        terminal_id = "T1",
        cashier_id = "007",
        number = $"T1-{Guid.NewGuid():N}", // A real till counts its sales.
        lines = new[] { new { sku = "6901", name = "龙井", amount_fen = 12800L } },
        tenders = new[] { new { name = "cash", fen = 12800L } },
    });
    Console.WriteLine($"{sold.GetProperty("order_id")} due {sold.GetProperty("due_fen")} fen");
    foreach (var line in sold.GetProperty("receipt").GetProperty("zh").EnumerateArray())
        Console.WriteLine(line.GetString());
    return 0;
}
catch (RefusedException refused)
{
    Console.Error.WriteLine($"{refused.Code}: {refused.Message}"); // The message is for the cashier.
    return 1;
}

/// <summary>What a signature covers.</summary>
record SignedRequest(string Method, string Path, string Query, string IdempotencyKey, byte[] Body)
{
    public const string Scheme = "POS1-HMAC-SHA256";

    public string Sign(string keyId, byte[] secret, long timestamp, string nonce)
    {
        var hash = Convert.ToHexString(SHA256.HashData(Body)).ToLowerInvariant();
        string[] lines = [Scheme, keyId, $"{timestamp}", nonce, Method, Path, Query, IdempotencyKey, hash];
        var text = string.Concat(lines.Select(line => line + "\n")); // Never Environment.NewLine.
        return Convert.ToBase64String(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(text)));
    }
}

/// <summary>Plaza said no: programs go by the code, the cashier reads the message.</summary>
class RefusedException(string code, string message) : Exception(message)
{
    public string Code { get; } = code;
}

/// <summary>A till that asks until there is an answer.</summary>
class Till(string baseUrl, string keyId, byte[] secret) : IDisposable
{
    private readonly HttpClient _client = new() { BaseAddress = new Uri(baseUrl), Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Sends a write, always with the same key and the same bytes.</summary>
    public async Task<JsonElement> PostAsync(string path, object content)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(content);
        var key = Guid.NewGuid().ToString("N");
        // Here a real till writes the key and the body to its disk, before the first send.
        for (var wait = 0.2; ; wait = Math.Min(wait * 2, 8))
        {
            try
            {
                using var answer = await _client.SendAsync(Signed(path, key, body));
                var told = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync()).RootElement;
                if (answer.IsSuccessStatusCode)
                    return told;
                var code = told.GetProperty("code").GetString()!;
                if ((int)answer.StatusCode < 500 && (int)answer.StatusCode != 429 && code != "idempotency-in-flight")
                    throw new RefusedException(code, Text(told));
                wait = Math.Max(wait, answer.Headers.RetryAfter?.Delta?.TotalSeconds ?? 0);
            }
            catch (Exception lost) when (lost is HttpRequestException or TaskCanceledException or JsonException)
            {
                Console.Error.WriteLine($"no answer ({lost.GetType().Name}), the same again");
            }
            await Task.Delay(TimeSpan.FromSeconds(wait));
        }
    }

    private HttpRequestMessage Signed(string path, string key, byte[] body)
    {
        var timestamp = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var nonce = Guid.NewGuid().ToString("N"); // A fresh one at every try.
        var signature = new SignedRequest("POST", path, "", key, body).Sign(keyId, secret, timestamp, nonce);
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("Idempotency-Key", key);
        request.Headers.TryAddWithoutValidation("Authorization",
            $"{SignedRequest.Scheme} key_id=\"{keyId}\",timestamp=\"{timestamp}\",nonce=\"{nonce}\",signature=\"{signature}\"");
        return request;
    }

    private static string Text(JsonElement problem) =>
        (problem.TryGetProperty("detail", out var detail) ? detail : problem.GetProperty("title")).GetString()!;

    public void Dispose() => _client.Dispose();
}
