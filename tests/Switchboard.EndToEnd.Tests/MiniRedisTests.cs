using System.Globalization;
using System.Text;
using Switchboard.Samples.MiniRedis;
using Switchboard.Servers;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The sample over plain sockets: each byte of what it answers.</summary>
public sealed class MiniRedisTests : IAsyncLifetime
{
    private const int Limit = 60_000;

    private readonly Store _store = new(TimeProvider.System);
    private readonly TcpServer _redis;

    public MiniRedisTests() => _redis = new TcpServer("127.0.0.1:0", () => new MiniRedisHandler(_store), Concurrency.Threads());

    public async ValueTask InitializeAsync() => await _redis.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _redis.DisposeAsync();
        _store.Dispose();
    }

    [Theory(Timeout = Limit)]
    [InlineData("PING", "+PONG\r\n")]
    [InlineData("ping hello", "$5\r\nhello\r\n")]
    [InlineData("eChO hi", "$2\r\nhi\r\n")]
    [InlineData("GET none", "$-1\r\n")]
    [InlineData("SET k v|GET k|DEL k|GET k", "+OK\r\n$1\r\nv\r\n:1\r\n$-1\r\n")]
    [InlineData("SET k 1|SET k 2 NX|SET none 3 XX|SET k 4 xx|GET k", "+OK\r\n$-1\r\n$-1\r\n+OK\r\n$1\r\n4\r\n")]
    [InlineData("SET k v EX 100 NX|TTL k|SET k w|TTL k|TTL none", "+OK\r\n:100\r\n+OK\r\n:-1\r\n:-2\r\n")]
    [InlineData("SET k v PX 100000|TTL k|EXPIRE k 5|TTL k|EXPIRE k 0|GET k|EXPIRE k 5", "+OK\r\n:100\r\n:1\r\n:5\r\n:1\r\n$-1\r\n:0\r\n")]
    [InlineData("SET k v|EXPIRE k -1|DBSIZE", "+OK\r\n:1\r\n:0\r\n")]
    [InlineData("INCR n|INCR n|GET n|SET n -2|INCR n|INCR n", ":1\r\n:2\r\n$1\r\n2\r\n+OK\r\n:-1\r\n:0\r\n")]
    [InlineData("SET n 5 EX 100|INCR n|TTL n", "+OK\r\n:6\r\n:100\r\n")]
    [InlineData("SET a 1|SET b 2|EXISTS a a b c|DEL a a c|DBSIZE|FLUSHALL|DBSIZE", "+OK\r\n+OK\r\n:3\r\n:1\r\n:1\r\n+OK\r\n:0\r\n")]
    [InlineData("CONFIG GET save|config get APPENDONLY|CONFIG GET none", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n*0\r\n")]
    [InlineData("COMMAND|CLIENT SETNAME me", "*0\r\n+OK\r\n")]
    [InlineData("SET k \"\"|GET k", "+OK\r\n$0\r\n\r\n")]
    public async Task Commands_are_answered_as_redis_answers_them(string commands, string replies) => await AssertRepliesAsync(commands, replies);

    [Theory(Timeout = Limit)]
    [InlineData("NOPE a b", "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b' \r\n")]
    [InlineData("nope", "-ERR unknown command 'nope', with args beginning with: \r\n")]
    [InlineData("flushallx", "-ERR unknown command 'flushallx', with args beginning with: \r\n")]
    [InlineData("\"get \" a", "-ERR unknown command 'get ', with args beginning with: 'a' \r\n")]
    [InlineData("a\\b \"c\\r\\nd\"", "-ERR unknown command 'a\\b', with args beginning with: 'c  d' \r\n")]
    [InlineData("GET", "-ERR wrong number of arguments for 'get' command\r\n")]
    [InlineData("gEt a b", "-ERR wrong number of arguments for 'get' command\r\n")]
    [InlineData("SET a", "-ERR wrong number of arguments for 'set' command\r\n")]
    [InlineData("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n")]
    [InlineData("DEL", "-ERR wrong number of arguments for 'del' command\r\n")]
    [InlineData("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n")]
    [InlineData("CONFIG SET a b", "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n")]
    [InlineData("COMMAND DOCS", "-ERR unknown subcommand 'DOCS'. Try COMMAND HELP.\r\n")]
    [InlineData("SET k v EX", "-ERR syntax error\r\n")]
    [InlineData("SET k v NX XX", "-ERR syntax error\r\n")]
    [InlineData("SET k v EX 1 PX 1", "-ERR syntax error\r\n")]
    [InlineData("SET k v SOON", "-ERR syntax error\r\n")]
    [InlineData("SET k v EX soon", "-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n")]
    [InlineData("SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n")]
    [InlineData("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n")]
    [InlineData("EXPIRE k 1.5", "-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET n abc|INCR n", "+OK\r\n-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET n 01|INCR n", "+OK\r\n-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET n +1|INCR n", "+OK\r\n-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET n 9223372036854775808|INCR n", "+OK\r\n-ERR value is not an integer or out of range\r\n")]
    [InlineData("SET n 9223372036854775807|INCR n|GET n", "+OK\r\n-ERR increment or decrement would overflow\r\n$19\r\n9223372036854775807\r\n")]
    [InlineData("FLUSHALL now", "-ERR syntax error\r\n")]
    public async Task What_cannot_be_done_is_refused_in_the_words_of_redis_and_the_call_goes_on(string commands, string replies) =>
        await AssertRepliesAsync(commands + "|PING", replies + "+PONG\r\n");

    [Theory(Timeout = Limit)]
    [InlineData("*x\r\n", "invalid multibulk length")]
    [InlineData("*1x\r\n", "invalid multibulk length")]
    [InlineData("*\r\n", "invalid multibulk length")]
    [InlineData("*01\r\n", "invalid multibulk length")]
    [InlineData("*2147483648\r\n", "invalid multibulk length")]
    [InlineData("*99999999999999999999999999", "invalid multibulk length")]
    [InlineData("*1\rx", "invalid multibulk length")]
    [InlineData("*1\r\n+PING\r\n", "expected '$', got '+'")]
    [InlineData("*1\r\n\r\n", "expected '$', got ' '")]
    [InlineData("*1\r\n$-1\r\n", "invalid bulk length")]
    [InlineData("*1\r\n$four\r\n", "invalid bulk length")]
    [InlineData("*1\r\n$99999999\r\n", "invalid bulk length")]
    [InlineData("*1\r\n$9223372036854775808\r\n", "invalid bulk length")]
    [InlineData("*1\r\n$4\r\nPINGPING\r\n", "invalid bulk length")]
    [InlineData("SET k \"v\r\n", "unbalanced quotes in request")]
    [InlineData("SET k \"v\"w\r\n", "unbalanced quotes in request")]
    public async Task What_is_no_command_ends_that_caller_only_after_what_came_before_is_answered(string bytes, string error)
    {
        using Caller other = await CallAsync();
        using Caller caller = await CallAsync();
        await caller.SendAsync($"SET before 1\r\n{bytes}");
        // The caller goes on listening; the end is the server's doing.
        Assert.Equal($"+OK\r\n-ERR Protocol error: {error}\r\n", Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        await other.SendAsync("GET before\r\n");
        await other.ExpectAsync("$1\r\n1\r\n");
    }

    [Fact(Timeout = Limit)]
    public async Task Nothing_that_follows_nonsense_is_carried_out()
    {
        using Caller caller = await CallAsync();
        await caller.SendAsync("*1\r\n!\r\nSET after 1\r\n");
        Assert.Equal("-ERR Protocol error: expected '$', got '!'\r\n", Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        Assert.False(_store.TryGet("after"u8, out _));
    }

    [Fact(Timeout = Limit)]
    public async Task A_line_without_an_end_is_refused_at_64_kilobytes()
    {
        using Caller caller = await CallAsync();
        await caller.SendAsync(new string('x', 64 * 1024));
        await caller.SendAsync("y");
        Assert.Equal("-ERR Protocol error: too big inline request\r\n", Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
    }

    [Fact(Timeout = Limit)]
    public async Task A_pipeline_is_answered_in_its_order_by_one_write()
    {
        const int Count = 300;
        using Caller caller = await CallAsync();
        byte[] commands = [.. Enumerable.Range(0, Count).SelectMany(i => Resp.Command("ECHO", $"{i}"))];
        Assert.True(commands.Length < 16 * 1024, "The premise: one read takes them all.");
        byte[] replies = [.. Enumerable.Range(0, Count).SelectMany(i => Resp.Bulk(Encoding.ASCII.GetBytes($"{i}")))];
        await caller.SendAsync(commands);
        var received = new byte[2 * replies.Length];
        // What was sent as one is received as one, here where nothing is lost on the way.
        int count = await caller.Socket.ReceiveAsync(received, TestContext.Current.CancellationToken);
        Assert.Equal(replies, received[..count]);
    }

    [Fact(Timeout = Limit)]
    public async Task Quit_is_answered_and_ends_the_call()
    {
        using Caller caller = await CallAsync();
        await caller.SendAsync("PING\r\nQUIT\r\nSET after 1\r\n");
        Assert.Equal("+PONG\r\n+OK\r\n", Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        Assert.False(_store.TryGet("after"u8, out _));
    }

    [Fact(Timeout = Limit)]
    public async Task Keys_and_values_are_any_bytes()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(static value => (byte)value)];
        byte[] key = [.. "\r\n$3\r\n\0"u8, .. all];
        byte[] value = [.. all, .. "\r\n*1\r\n"u8];
        using Caller caller = await CallAsync();
        await caller.SendAsync(Resp.Command("SET"u8.ToArray(), key, value));
        await caller.SendAsync(Resp.Command("GET"u8.ToArray(), key));
        await caller.SendAsync(Resp.Command("GET"u8.ToArray(), key[..^1]));
        await caller.SendAsync(Resp.Command("SET"u8.ToArray(), [], []));
        await caller.SendAsync(Resp.Command("GET"u8.ToArray(), []));
        byte[] replies = [.. "+OK\r\n"u8, .. Resp.Bulk(value), .. "$-1\r\n+OK\r\n$0\r\n\r\n"u8];
        Assert.Equal(replies, await caller.ReceiveAsync(replies.Length));
    }

    [Fact(Timeout = Limit)]
    public async Task A_long_value_comes_in_many_pieces_and_goes_out_whole()
    {
        var value = new byte[1_000_000];
        new Random(1).NextBytes(value);
        using Caller caller = await CallAsync();
        await caller.SendAsync((byte[])[.. Resp.Command("PING"), .. Resp.Command("SET"u8.ToArray(), "k"u8.ToArray(), value), .. Resp.Command("GET", "k")]);
        byte[] replies = [.. "+PONG\r\n+OK\r\n"u8, .. Resp.Bulk(value)];
        Assert.Equal(replies, await caller.ReceiveAsync(replies.Length));
    }

    [Fact(Timeout = Limit)]
    public async Task A_caller_who_asks_for_much_and_reads_nothing_is_held_up()
    {
        const int Asked = 128;
        byte[] value = new byte[1_000_000];
        _store.Set("big"u8, new Entry(value, Entry.Never));
        using Caller greedy = await CallAsync();
        // Some 128 MB, more than a socket takes; one read brings the whole request.
        await greedy.SendAsync((byte[])[.. Enumerable.Repeat(Resp.Command("GET", "big"), Asked).SelectMany(static command => command), .. Resp.Command("SET", "done", "1")]);
        Assert.Equal((byte)'$', (await greedy.ReceiveAsync(1))[0]);
        using Caller other = await CallAsync();
        await other.SendAsync("GET done\r\n");
        await other.ExpectAsync("$-1\r\n");

        byte[] reply = Resp.Bulk(value);
        Assert.Equal(reply[1..], await greedy.ReceiveAsync(reply.Length - 1));
        for (int i = 1; i < Asked; i++)
        {
            Assert.Equal(reply, await greedy.ReceiveAsync(reply.Length));
        }
        await greedy.ExpectAsync("+OK\r\n");
        await other.SendAsync("GET done\r\n");
        await other.ExpectAsync("$1\r\n1\r\n");
    }

    [Fact(Timeout = Limit)]
    public async Task Increments_of_many_callers_at_once_all_count()
    {
        const int Callers = 16;
        const int Each = 500;
        long[][] numbers = await Task.WhenAll(Enumerable.Range(0, Callers).Select(async _ =>
        {
            using Caller caller = await CallAsync();
            await caller.SendAsync((byte[])[.. Enumerable.Repeat(Resp.Command("INCR", "n"), Each).SelectMany(static command => command), .. Resp.Command("QUIT")]);
            string replies = Encoding.ASCII.GetString(await caller.ReceiveToEndAsync());
            return replies.Split("\r\n").Take(Each).Select(static reply => long.Parse(reply.AsSpan(1), CultureInfo.InvariantCulture)).ToArray();
        }));
        // Each number was given once, and to each caller in rising order.
        Assert.Equal(Enumerable.Range(1, Callers * Each).Select(static number => (long)number), numbers.SelectMany(static own => own).Order());
        Assert.All(numbers, static own => Assert.Equal(own.Order(), own));
    }

    [Fact(Timeout = Limit)]
    public async Task A_caller_who_ends_in_the_middle_of_a_command_harms_nobody()
    {
        using Caller caller = await CallAsync();
        await caller.SendAsync("PING\r\n*2\r\n$3\r\nGET\r\n$100\r\nab");
        caller.EndOutput();
        Assert.Equal("+PONG\r\n", Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        caller.Socket.Close();
        await AssertRepliesAsync("PING", "+PONG\r\n");
    }

    /// <summary>Sends the commands as lines and, split at spaces where nothing is quoted, as arrays.</summary>
    private async Task AssertRepliesAsync(string commands, string replies)
    {
        string[] lines = commands.Split('|');
        List<byte[]> forms = [Encoding.UTF8.GetBytes(string.Concat(lines.Select(static line => line + "\r\n")))];
        if (!commands.Contains('"', StringComparison.Ordinal))
        {
            forms.Add([.. lines.SelectMany(static line => Resp.Command(line.Split(' ')))]);
        }
        foreach (byte[] form in forms)
        {
            _store.Clear();
            using Caller caller = await CallAsync();
            await caller.SendAsync(form);
            caller.EndOutput();
            Assert.Equal(replies, Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        }
    }

    private Task<Caller> CallAsync() => Caller.ConnectAsync(_redis.LocalEndPoint!);
}
