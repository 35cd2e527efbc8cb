using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Switchboard.Linux;
using Switchboard.Servers.Classic;

namespace Switchboard.Servers.Tests;

/// <summary>The familiar handler with a reader and a writer, and the familiar threading servers.</summary>
public sealed class ClassicTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Lines_come_with_their_ends_and_nothing_at_the_end_of_input()
    {
        await using Served<List<string>> served = new(async handler =>
        {
            var lines = new List<string>();
            byte[] line;
            do
            {
                line = await handler.LineAsync();
                lines.Add(Encoding.UTF8.GetString(line));
            }
            while (line.Length > 0);
            lines.Add(Encoding.UTF8.GetString(await handler.LineAsync()));
            return lines;
        });
        using Caller caller = await served.CallAsync();
        await caller.SendAsync("one\ntwo\r\n\nthr");
        await caller.SendAsync("ee\nno end");
        caller.CloseOutput();
        Assert.Equal(["one\n", "two\r\n", "\n", "three\n", "no end", "", ""], await served.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task So_many_bytes_are_read_as_were_asked_for_and_fewer_only_at_the_end()
    {
        await using Served<string[]> served = new(async handler =>
        [
            Encoding.UTF8.GetString(await handler.LineAsync()),
            Encoding.UTF8.GetString(await handler.BytesAsync(0)),
            Encoding.UTF8.GetString(await handler.BytesAsync(7)),
            Encoding.UTF8.GetString(await handler.LineAsync()),
            Encoding.UTF8.GetString(await handler.BytesAsync(100)),
            Encoding.UTF8.GetString(await handler.BytesAsync(100)),
        ]);
        using Caller caller = await served.CallAsync();
        await caller.SendAsync("head\nbo");
        await caller.SendAsync("d\nies\nrest");
        caller.CloseOutput();
        Assert.Equal(["head\n", "", "bod\nies", "\n", "rest", ""], await served.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Without_a_buffer_each_write_goes_out_at_once()
    {
        await using Served<bool> served = new(async handler =>
        {
            await handler.SendAsync("one");
            Assert.Equal("go\n"u8.ToArray(), await handler.LineAsync());
            await handler.SendAsync("two");
            return true;
        });
        using Caller caller = await served.CallAsync();
        await caller.ExpectAsync("one");
        await caller.SendAsync("go\n");
        Assert.Equal("two", await caller.ReadTextToEndAsync());
        Assert.True(await served.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task With_a_buffer_writes_are_gathered_until_it_is_full_or_flushed_or_the_call_ends()
    {
        await using Served<long[]> served = new(async handler =>
        {
            var sent = new List<long>();
            await handler.SendAsync("four");
            sent.Add(handler.Connection.Transport.Sent);
            await handler.FlushAsync();
            sent.Add(handler.Connection.Transport.Sent);
            await handler.SendAsync("seven..");
            await handler.SendAsync("more than the buffer holds");
            sent.Add(handler.Connection.Transport.Sent);
            await handler.FlushAsync();
            await handler.SendAsync("last");
            sent.Add(handler.Connection.Transport.Sent);
            return [.. sent];
        }, writeBufferSize: 10);
        using Caller caller = await served.CallAsync();
        const string all = "fourseven..more than the buffer holdslast";
        Assert.Equal(all, await caller.ReadTextToEndAsync());
        long[] sent = await served.Result;
        Assert.Equal((0, 4), (sent[0], sent[1]));
        Assert.InRange(sent[2], 5, all.Length - 4);
        Assert.Equal(all.Length - 4, sent[3]);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_was_gathered_goes_out_although_the_handler_fails()
    {
        await using Served<bool> served = new(async handler =>
        {
            await handler.SendAsync("last words");
            throw new NotSupportedException();
        }, writeBufferSize: 100);
        using Caller caller = await served.CallAsync();
        Assert.Equal("last words", await caller.ReadTextToEndAsync());
        await Assert.ThrowsAsync<NotSupportedException>(() => served.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("line")]
    [InlineData("bytes")]
    [InlineData("write")]
    public async Task A_read_or_write_that_takes_too_long_says_which_limit_it_was(string what)
    {
        await using Served<TimeoutException> served = new(handler => Assert.ThrowsAsync<TimeoutException>(async () =>
        {
            switch (what)
            {
                case "line":
                    await handler.LineAsync();
                    break;
                case "bytes":
                    await handler.BytesAsync(10);
                    break;
                default:
                    await handler.SendAsync(new string('x', Sizes.MoreThanBuffered));
                    break;
            }
        }), timeout: TimeSpan.FromMilliseconds(50));
        using Caller caller = await served.CallAsync();
        await caller.SendAsync("half");
        TimeoutException error = await served.Result;
        Assert.Contains("Timeout", error.Message, StringComparison.Ordinal);
        Assert.Contains("00:00:00.05", error.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task After_a_read_that_took_too_long_nothing_is_lost()
    {
        await using Served<string> served = new(async handler =>
        {
            await Assert.ThrowsAsync<TimeoutException>(async () => await handler.LineAsync());
            await handler.SendAsync("late");
            handler.Limit = null;
            return Encoding.UTF8.GetString(await handler.LineAsync());
        }, timeout: TimeSpan.FromMilliseconds(50));
        using Caller caller = await served.CallAsync();
        await caller.SendAsync("half ");
        await caller.ExpectAsync("late");
        await caller.SendAsync("and half\n");
        Assert.Equal("half and half\n", await served.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(null)]
    [InlineData(30)]
    public async Task A_stop_is_no_time_limit(int? seconds)
    {
        await using Served<bool> served = new(async handler =>
        {
            await handler.SendAsync(".");
            await handler.LineAsync();
            return true;
        }, timeout: seconds is { } time ? TimeSpan.FromSeconds(time) : null);
        using Caller caller = await served.CallAsync();
        await caller.ExpectAsync(".");
        await served.Server.StopAsync().InTime();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => served.Result);
        Assert.Equal(1, served.Server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(null, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task No_delay_is_as_the_handler_says_or_else_the_server(bool? noDelay, bool expected)
    {
        await using Served<bool> served = new(handler =>
        {
            int descriptor = ((StreamTransport)handler.Connection.Transport).Descriptor;
            return Task.FromResult(SocketCalls.GetOption(descriptor, SocketCallOption.NoDelay).Value != 0);
        }, noDelay: noDelay);
        using Caller caller = await served.CallAsync();
        Assert.Equal(expected, await served.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_line_that_is_too_long_ends_the_caller()
    {
        var options = new ServerOptions { Limits = new ConnectionLimits { Message = 10 } };
        await using Served<byte[]> served = new(handler => handler.LineAsync().AsTask(), options: options);
        using Caller caller = await served.CallAsync();
        await caller.SendAsync("much too long a line\n");
        await Assert.ThrowsAsync<MessageTooLongException>(() => served.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_handler_can_be_tested_without_a_socket()
    {
        using var pair = new ConnectionPair();
        Task<ConnectionEnd> end = pair.ServeAsync(new LineEchoHandler());
        await pair.Client.WriteAsync("hello\n"u8.ToArray()).InTime();
        Assert.Equal("hello\n"u8.ToArray(), (await pair.Client.ReadMessageAsync(Framing.FixedSize(6)).InTime())!.Value.ToArray());
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await end.InTime()).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_threading_servers_serve_callers_at_the_same_time(bool unix)
    {
        using var folder = new TemporaryFolder();
        await using ServiceProvider services = new ServiceCollection().AddSingleton(_ => new Meeting(3)).BuildServiceProvider();
        await using StreamServer server = unix
            ? new ThreadingUnixStreamServer<MeetingHandler>(folder.Address("server"), services: services)
            : new ThreadingTcpServer<MeetingHandler>("127.0.0.1:0", services: services);
        await server.StartAsync().InTime();
        Caller[] callers = [await Caller.ConnectAsync(server), await Caller.ConnectAsync(server), await Caller.ConnectAsync(server)];
        foreach (Caller caller in callers)
        {
            Assert.Equal("met", await caller.ReadTextToEndAsync());
            caller.Dispose();
        }
    }

    internal sealed class Meeting(int count) : IDisposable
    {
        private readonly CountdownEvent _all = new(count);

        internal void Meet()
        {
            _all.Signal();
            Assert.True(_all.Wait(Deadline.Time));
        }

        public void Dispose() => _all.Dispose();
    }

    internal sealed class MeetingHandler(Meeting meeting) : StreamRequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            meeting.Meet();
            await WriteAsync("met"u8.ToArray(), stop);
        }
    }

    /// <summary>A server whose handler is opened up for a test.</summary>
    private sealed class Served<T> : IAsyncDisposable
    {
        private readonly Func<OpenHandler, Task<T>> _handle;
        private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Served(Func<OpenHandler, Task<T>> handle, int writeBufferSize = 0, TimeSpan? timeout = null, bool? noDelay = null, ServerOptions? options = null)
        {
            _handle = handle;
            Server = new TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => new OpenHandler(RunAsync, writeBufferSize, noDelay) { Limit = timeout }),
                options: (options ?? new ServerOptions()) with { LoggerFactory = new RecordingLog() });
        }

        internal TcpServer Server { get; }

        internal Task<T> Result => _result.Task.InTime();

        internal async Task<Caller> CallAsync()
        {
            await Server.StartAsync().InTime();
            return await Caller.ConnectAsync(Server, receiveBuffer: 16 * 1024);
        }

        public async ValueTask DisposeAsync() => await Server.StopAsync(TimeSpan.Zero).InTime();

        private async Task RunAsync(OpenHandler handler)
        {
            try
            {
                _result.TrySetResult(await _handle(handler));
            }
            catch (Exception exception)
            {
                _result.TrySetException(exception);
                throw;
            }
        }
    }

    private sealed class OpenHandler(Func<OpenHandler, Task> run, int writeBufferSize, bool? noDelay) : StreamRequestHandler
    {
        private CancellationToken _stop;

        internal TimeSpan? Limit { get; set; }

        protected override int WriteBufferSize => writeBufferSize;

        protected override TimeSpan? Timeout => Limit;

        protected override bool? NoDelay => noDelay;

        internal ValueTask<byte[]> LineAsync() => ReadLineAsync(_stop);

        internal ValueTask<byte[]> BytesAsync(int count) => ReadAsync(count, _stop);

        internal ValueTask SendAsync(string text) => WriteAsync(Encoding.UTF8.GetBytes(text), _stop);

        internal Task FlushAsync() => Output.FlushAsync(_stop);

        protected override Task HandleAsync(CancellationToken stop)
        {
            _stop = stop;
            return run(this);
        }
    }
}
