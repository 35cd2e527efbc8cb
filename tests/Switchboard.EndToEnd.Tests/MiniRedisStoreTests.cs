using System.Globalization;
using System.Text;
using Switchboard.Samples.MiniRedis;

namespace Switchboard.EndToEnd.Tests;

/// <summary>How keys of the sample's store end, by a clock that the test moves.</summary>
public sealed class MiniRedisStoreTests : IDisposable
{
    private static readonly TimeSpan _step = TimeSpan.FromMilliseconds(100);

    private readonly ManualClock _clock = new();
    private readonly Store _store;

    public MiniRedisStoreTests() => _store = new Store(_clock);

    public void Dispose() => _store.Dispose();

    [Fact]
    public void A_key_lives_to_its_last_millisecond_and_is_missing_from_then_on()
    {
        Set("k", 1500);
        _clock.Advance(TimeSpan.FromMilliseconds(1499));
        Assert.True(_store.TryGet("k"u8, out _));
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(_store.TryGet("k"u8, out _));
        Assert.Equal(0, _store.Count);
    }

    [Fact]
    public void A_key_that_has_expired_is_missing_to_whatever_asks()
    {
        // Less than the pause of the sweep: nobody but the asker removes them.
        foreach (string key in (string[])["added", "replaced", "removed", "prolonged", "counted"])
        {
            Set(key, 50);
        }
        _clock.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Equal(5, _store.Count);
        Assert.False(_store.Set("replaced"u8, NewEntry(1000), SetWhen.Present));
        Assert.True(_store.Set("added"u8, NewEntry(1000), SetWhen.Missing));
        Assert.False(_store.Remove("removed"u8));
        Assert.False(_store.Expire("prolonged"u8, _store.Now + 1000));
        Assert.Equal(IncrementResult.Done, _store.Increment("counted"u8, out long number));
        Assert.Equal(1, number);
        Assert.True(_store.TryGet("counted"u8, out Entry? counted));
        Assert.Equal(Entry.Never, counted.ExpiresAt);
    }

    [Fact]
    public void Keys_that_nobody_looks_up_are_removed_in_steps_and_others_stay()
    {
        const int Keys = 25_000;
        for (int i = 0; i < Keys; i++)
        {
            Set($"short {i}", 50);
        }
        Set("long", 1_000_000);
        _store.Set("endless"u8, NewEntry(null));
        _clock.Advance(_step);
        Assert.InRange(_store.Count, Keys - 10_000, Keys);
        _clock.Advance(10 * _step);
        Assert.Equal(2, _store.Count);
        Assert.True(_store.TryGet("long"u8, out _));
        Assert.True(_store.TryGet("endless"u8, out _));
    }

    [Fact]
    public void Nothing_is_swept_while_no_key_can_expire()
    {
        _store.Set("endless"u8, NewEntry(null));
        Assert.Equal(0, _clock.Armed);
        for (int i = 0; i < 3; i++)
        {
            Set("k", 1000);
            _clock.Advance(TimeSpan.FromMilliseconds(900));
            Assert.Equal(1, _clock.Armed);
            _clock.Advance(TimeSpan.FromMilliseconds(900));
            Assert.Equal(0, _clock.Armed);
            Assert.Equal(1, _store.Count);
        }
        _store.Expire("endless"u8, _store.Now + 100);
        Assert.Equal(1, _clock.Armed);
        _clock.Advance(TimeSpan.FromMilliseconds(400));
        Assert.Equal(0, _store.Count);
        Assert.Equal(0, _clock.Armed);
    }

    [Fact(Timeout = 60_000)]
    public async Task Of_several_threads_who_set_a_missing_key_at_once_one_does()
    {
        const int Threads = 2;
        const int Keys = 20_000;
        using var together = new Barrier(Threads);
        var winners = new int[Keys];
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(() =>
        {
            Span<byte> key = stackalloc byte[sizeof(int)];
            for (int i = 0; i < Keys; i++)
            {
                BitConverter.TryWriteBytes(key, i);
                Assert.True(together.SignalAndWait(30_000, TestContext.Current.CancellationToken));
                if (_store.Set(key, NewEntry(null), SetWhen.Missing))
                {
                    Interlocked.Increment(ref winners[i]);
                }
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.Equal(Keys, winners.Count(static count => count == 1));
    }

    [Theory]
    [InlineData("SET k v PX 1499|TTL k", 0, "+OK\r\n:1\r\n")]
    [InlineData("SET k v PX 1500|TTL k", 0, "+OK\r\n:2\r\n")]
    [InlineData("SET k v EX 10|EXPIRE k 20|TTL k", 0, "+OK\r\n:1\r\n:20\r\n")]
    [InlineData("SET k v PX 30", 30, "+OK\r\n$-1\r\n")]
    [InlineData("SET k v PX 30", 29, "+OK\r\n$1\r\nv\r\n")]
    [InlineData("SET k v EX 1", 1000, "+OK\r\n$-1\r\n")]
    [InlineData("SET k v PX 30|SET k w", 1000, "+OK\r\n+OK\r\n$1\r\nw\r\n")]
    [InlineData("SET k v|EXPIRE k 1", 999, "+OK\r\n:1\r\n$1\r\nv\r\n")]
    [InlineData("SET k v|EXPIRE k 1", 1000, "+OK\r\n:1\r\n$-1\r\n")]
    public void Commands_say_in_seconds_and_milliseconds_when_a_key_ends(string commands, int milliseconds, string replies)
    {
        var writer = new RespWriter();
        var carriedOut = new Commands(_store, writer);
        Execute(commands);
        if (milliseconds > 0)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(milliseconds));
            Execute("GET k");
        }
        Assert.Equal(replies, Encoding.ASCII.GetString(writer.Written.Span));
        writer.Release();

        void Execute(string lines)
        {
            using var reader = new RespReader(1000);
            reader.Take(Encoding.ASCII.GetBytes(lines.Replace('|', '\n') + "\n"));
            while (reader.TryRead(out RespCommand command))
            {
                carriedOut.Execute(command);
            }
        }
    }

    private void Set(string key, int milliseconds) => _store.Set(Encoding.ASCII.GetBytes(key), NewEntry(milliseconds));

    private Entry NewEntry(int? milliseconds) => new(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{milliseconds}")), milliseconds is { } life ? _store.Now + life : Entry.Never);
}
