using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>What a handler may rely on under every model, but not over TLS: no record holds an urgent byte, and one that has begun
/// can't be taken back.</summary>
public sealed class ClearContractTests
{
    public static TheoryData<Model, bool> WaitingOrNot
    {
        get
        {
            var rows = new TheoryData<Model, bool>();
            foreach (Model model in Enum.GetValues<Model>())
            {
                rows.Add(model, true);
                rows.Add(model, false);
            }
            return rows;
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(WaitingOrNot))]
    public async Task What_comes_after_urgent_data_is_read_without_waiting_for_more(Model model, bool waitsFirst)
    {
        var sent = new TaskCompletionSource();
        await using var call = new OneCall<string>(model.Make(), async (connection, stop) =>
        {
            var all = new StringBuilder();
            byte[] buffer = new byte[1024];
            if (!waitsFirst)
            {
                await sent.Task;
            }
            // A read ends before the urgent byte, however much is behind it.
            while (all.Length < 10)
            {
                all.Append(Encoding.ASCII.GetString(buffer.AsSpan(0, await connection.ReadAsync(buffer, stop))));
            }
            return all.ToString();
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync("before");
        caller.Socket.Send("!"u8, System.Net.Sockets.SocketFlags.OutOfBand);
        await caller.SendAsync("more");
        sent.SetResult();
        Assert.Equal("beforemore", await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_write_that_finds_no_room_at_all_is_taken_back(Model model)
    {
        int sent = 0;
        var cancelled = new TaskCompletionSource();
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            SocketCalls.SetOption(((StreamTransport)connection.Transport).Descriptor, SocketCallOption.SendBuffer, 4096).OrThrow("setsockopt", "SO_SNDBUF");
            // Of one byte nothing is out, or all.
            byte[] one = "x"u8.ToArray();
            try
            {
                while (true)
                {
                    using var source = new CancellationTokenSource();
                    ValueTask write = connection.WriteAsync(one, source.Token);
                    if (!write.IsCompleted)
                    {
                        await source.CancelAsync();
                    }
                    await write;
                    sent++;
                }
            }
            catch (OperationCanceledException)
            {
                // There was no room, and none came before the cancellation.
            }
            cancelled.SetResult();
            Assert.True(connection.TrySend("go"u8));
            await connection.WriteAsync("on"u8.ToArray(), stop);
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 4096);
        await Task.WhenAny(cancelled.Task, call.Result);
        Assert.Equal(new string('x', sent) + "goon", await caller.ReadTextToEndAsync());
        Assert.True(await call.Result);
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await call.End).Reason);
    }
}
