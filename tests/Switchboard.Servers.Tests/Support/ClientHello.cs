using System.Net.Security;
using System.Security.Authentication;

namespace Switchboard.Servers.Tests;

/// <summary>The first bytes that a client says over TLS, as the base library's client says them.</summary>
internal static class ClientHello
{
    internal static async Task<byte[]> MakeAsync(SslProtocols protocols = SslProtocols.Tls12 | SslProtocols.Tls13, string host = "localhost")
    {
        using var recorder = new RecordingStream();
        await using var client = new SslStream(recorder, leaveInnerStreamOpen: true);
        await Assert.ThrowsAnyAsync<IOException>(() => client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = host, EnabledSslProtocols = protocols }).InTime());
        return recorder.ToArray();
    }

    /// <summary>Takes what is written; at its end when read.</summary>
    private sealed class RecordingStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(0);
    }
}

/// <summary>Another stream whose writes are changed on their way.</summary>
/// <param name="inner">The other stream.</param>
/// <param name="change">What becomes of a write.</param>
internal sealed class ChangingStream(Stream inner, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> change) : Stream
{
    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(change(buffer), cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count) => inner.Write(change(buffer.AsMemory(offset, count)).Span);

    public override void Flush() => inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
