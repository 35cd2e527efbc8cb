using System.Net;
using System.Net.Sockets;
using System.Text;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A server that runs out of descriptors pauses, and goes on when some are free again.</summary>
public sealed class DescriptorShortageTests
{
    private const int Limit = 120_000;
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private const int MoreCallersThanFit = 60;

    // The runtime itself has some 85 open, two for each assembly. A call takes several, and each of them may be the one that is missing.
    [Theory(Timeout = Limit)]
    [InlineData(110, "threads")]
    [InlineData(111, "threads")]
    [InlineData(112, "threads")]
    [InlineData(113, "threads")]
    [InlineData(110, "eventloop")]
    [InlineData(110, "tasks")]
    [InlineData(111, "tasks")]
    public async Task A_server_out_of_descriptors_says_so_once_serves_those_it_has_and_then_those_who_waited(int descriptors, string model)
    {
        using ChildProgram server = ChildProgram.StartAssemblyInShell($"ulimit -n {descriptors}; exec \"$@\"", "switchboard", "serve", "echo", "--bind", "127.0.0.1:0", "--model", model);
        string address = (await server.WaitForLineAsync("listening on "))["listening on ".Length..];
        var callers = new List<Socket>();
        try
        {
            for (int i = 0; i < MoreCallersThanFit; i++)
            {
                var caller = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                callers.Add(caller);
                await caller.ConnectAsync(IPEndPoint.Parse(address), TestContext.Current.CancellationToken).AsTask().WaitAsync(_patience, TestContext.Current.CancellationToken);
                await SendAsync(caller, $"hello {i:00}");
            }
            // They are accepted in their order, so those who are answered are the first ones.
            var answered = new List<Socket>();
            Task<string> waiting = ReceiveAsync(callers[0]);
            while (answered.Count < callers.Count && await AnswersAsync(waiting))
            {
                Assert.Equal($"hello {answered.Count:00}", await waiting);
                answered.Add(callers[answered.Count]);
                if (answered.Count < callers.Count)
                {
                    waiting = ReceiveAsync(callers[answered.Count]);
                }
            }
            Assert.InRange(answered.Count, 3, MoreCallersThanFit - 1);
            Assert.False(waiting.IsCompleted, "A caller beyond the limit was served.");

            foreach (Socket caller in answered)
            {
                await SendAsync(caller, "go on...");
                Assert.Equal("go on...", await ReceiveAsync(caller));
            }
            Assert.False(waiting.IsCompleted, "A caller beyond the limit was served.");

            // As they leave one by one, those who waited come in.
            for (int i = 0; i < callers.Count; i++)
            {
                if (i == answered.Count)
                {
                    Assert.Equal($"hello {i:00}", await waiting);
                }
                else if (i > answered.Count)
                {
                    Assert.Equal($"hello {i:00}", await ReceiveAsync(callers[i]));
                }
                callers[i].Shutdown(SocketShutdown.Send);
                Assert.Equal("", await ReceiveAsync(callers[i]));
            }
        }
        catch (SocketException exception)
        {
            // A server that has ended tells why.
            callers.ForEach(caller => caller.Dispose());
            (int code, _, string why) = await server.WaitForEndAsync();
            throw new InvalidOperationException($"The server ended with {code}: {why}", exception);
        }
        finally
        {
            callers.ForEach(caller => caller.Dispose());
        }

        using (ChildProgram signal = ChildProgram.Start("/bin/sh", "-c", $"kill -TERM {server.Id}"))
        {
            Assert.Equal(0, (await signal.WaitForEndAsync()).ExitCode);
        }
        (int exitCode, _, string error) = await server.WaitForEndAsync();
        Assert.Equal(0, exitCode);
        string pause = Assert.Single(error.Split('\n'), line => line.Contains("pauses accepting", StringComparison.Ordinal));
        Assert.Contains("out of descriptors", pause, StringComparison.Ordinal);
        // Not at all if the stop came before.
        Assert.InRange(error.Split('\n').Count(line => line.Contains("accepts callers again", StringComparison.Ordinal)), 0, 1);
    }

    /// <summary>Whether an answer comes. What is in doubt is looked at for long enough for several attempts to accept.</summary>
    private static async Task<bool> AnswersAsync(Task answer)
    {
        try
        {
            await answer.WaitAsync(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private static async Task SendAsync(Socket caller, string eight) =>
        Assert.Equal(8, await caller.SendAsync(Encoding.UTF8.GetBytes(eight).AsMemory(), TestContext.Current.CancellationToken));

    /// <summary>Eight characters, or none at the end.</summary>
    private static async Task<string> ReceiveAsync(Socket caller)
    {
        var bytes = new byte[8];
        int count = 0;
        int read;
        while (count < bytes.Length && (read = await caller.ReceiveAsync(bytes.AsMemory(count), TestContext.Current.CancellationToken).AsTask().WaitAsync(_patience, TestContext.Current.CancellationToken)) > 0)
        {
            count += read;
        }
        return Encoding.UTF8.GetString(bytes, 0, count);
    }
}
