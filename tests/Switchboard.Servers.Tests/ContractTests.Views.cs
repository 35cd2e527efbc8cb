using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Switchboard.Servers.Tests;

public abstract partial class ContractTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task SslStream_over_the_connection_stays_on_the_thread_of_the_call()
    {
        using X509Certificate2 certificate = SelfSigned("localhost");
        using X509Certificate2 identity = SelfSigned("caller");
        byte[] much = Sizes.Pattern(2 * 1024 * 1024);
        await using var call = Serve<(List<int> Threads, string Line, bool Mutual)>(async (connection, stop) =>
        {
            var threads = new List<int> { Environment.CurrentManagedThreadId };
            await using var secure = new SslStream(connection.AsStream(), leaveInnerStreamOpen: true, (_, _, _, _) => true);
            await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = certificate,
                ClientCertificateRequired = true,
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            }, stop);
            threads.Add(Environment.CurrentManagedThreadId);
            using var reader = new StreamReader(secure, leaveOpen: true);
            string line = (await reader.ReadLineAsync(stop))!;
            threads.Add(Environment.CurrentManagedThreadId);
            await secure.WriteAsync(much, stop).ConfigureAwait(false);
            threads.Add(Environment.CurrentManagedThreadId);
            await secure.ShutdownAsync();
            threads.Add(Environment.CurrentManagedThreadId);
            return (threads, line, secure.IsMutuallyAuthenticated);
        });
        using Caller caller = await call.CallAsync();
        await using var client = new SslStream(caller.Stream, leaveInnerStreamOpen: true, (_, _, _, _) => true);
        await client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ClientCertificates = [identity] }, TestContext.Current.CancellationToken).InTime();
        await client.WriteAsync("over tls\n"u8.ToArray(), TestContext.Current.CancellationToken);
        var received = new byte[much.Length];
        await client.ReadExactlyAsync(received, TestContext.Current.CancellationToken).InTime();
        Assert.Equal(much, received);
        Assert.Equal(0, await client.ReadAsync(received, TestContext.Current.CancellationToken).InTime());
        (List<int> threads, string line, bool mutual) = await call.Result;
        Assert.Equal("over tls", line);
        Assert.True(mutual, "The client's certificate did not arrive.");
        if (HasOwnThread)
        {
            Assert.Single(threads.Distinct());
        }
    }

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(40), DateTimeOffset.UnixEpoch.AddYears(200));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_duplex_pipe_reads_and_writes_on_the_thread_of_the_call()
    {
        await using var call = Serve<(List<int> Threads, string Text)>(async (connection, stop) =>
        {
            var threads = new List<int> { Environment.CurrentManagedThreadId };
            IDuplexPipe pipe = connection.AsDuplexPipe();
            var text = new StringBuilder();
            while (true)
            {
                ReadResult result = await pipe.Input.ReadAsync(stop).ConfigureAwait(false);
                threads.Add(Environment.CurrentManagedThreadId);
                foreach (ReadOnlyMemory<byte> piece in result.Buffer)
                {
                    text.Append(Encoding.UTF8.GetString(piece.Span));
                    pipe.Output.Write(piece.Span);
                }
                pipe.Input.AdvanceTo(result.Buffer.End);
                await pipe.Output.FlushAsync(stop);
                threads.Add(Environment.CurrentManagedThreadId);
                if (result.IsCompleted)
                {
                    await pipe.Input.CompleteAsync();
                    await pipe.Output.CompleteAsync();
                    return (threads, text.ToString());
                }
            }
        });
        using Caller caller = await call.CallAsync();
        foreach (string word in (string[])["one", "two", "three"])
        {
            await caller.SendAsync(word);
            await caller.ExpectAsync(word);
        }
        caller.CloseOutput();
        (List<int> threads, string text) = await call.Result;
        Assert.Equal("onetwothree", text);
        if (HasOwnThread)
        {
            Assert.Single(threads.Distinct());
        }
        Assert.Equal(ConnectionEndReason.PeerClosed, (await call.End).Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_empty_read_means_wait_until_a_read_would_not_wait()
    {
        await using var call = Serve<(int Count, string Text)>(async (connection, stop) =>
        {
            ValueTask<int> wait = connection.ReadAsync(Memory<byte>.Empty, stop);
            Assert.False(wait.IsCompleted);
            await connection.WriteAsync("go"u8.ToArray(), stop);
            int none = await wait;
            var buffer = new byte[16];
            ValueTask<int> read = connection.ReadAsync(buffer, stop);
            int count = await read;
            return (none, Encoding.UTF8.GetString(buffer.AsSpan(0, count)));
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync("x");
        Assert.Equal((0, "x"), await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_stream_reader_of_the_base_library_reads_lines_from_the_connection()
    {
        await using var call = Serve<List<string>>(async (connection, stop) =>
        {
            using var reader = new StreamReader(connection.AsStream());
            var lines = new List<string>();
            while (await reader.ReadLineAsync(stop) is { } line)
            {
                lines.Add(line);
            }
            return lines;
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync("one\r\ntwo\nthr");
        await caller.SendAsync("ee");
        caller.CloseOutput();
        Assert.Equal(["one", "two", "three"], await call.Result);
    }
}
