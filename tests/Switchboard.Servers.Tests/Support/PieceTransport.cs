using System.Net;

namespace Switchboard.Servers.Tests;

/// <summary>Bytes that are there already, of which each read gets no more than one piece, and never waits.</summary>
/// <param name="pieces">The pieces, none of them empty.</param>
/// <param name="isCurrent">Whether reads come from a piece of the call: then the connection waits with an empty read first.</param>
internal sealed class PieceTransport(IReadOnlyList<ReadOnlyMemory<byte>> pieces, bool isCurrent) : Transport
{
    private int _piece;
    private int _at;

    /// <summary>The most room that a read has had.</summary>
    internal int MostRoom { get; private set; }

    internal override bool IsCurrent => isCurrent;

    internal override EndPoint? LocalEndPoint => null;

    internal override EndPoint? RemoteEndPoint => null;

    internal override long Received => 0;

    internal override long Sent => 0;

    internal override bool EndOfInput => _piece == pieces.Count;

    internal override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation) => new(Read(buffer.Span));

    internal override int TryRead(Span<byte> buffer) => Read(buffer);

    internal override int Read(Span<byte> buffer)
    {
        MostRoom = Math.Max(MostRoom, buffer.Length);
        if (EndOfInput || buffer.IsEmpty)
        {
            return 0;
        }
        ReadOnlySpan<byte> rest = pieces[_piece].Span[_at..];
        int count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        (_piece, _at) = count == rest.Length ? (_piece + 1, 0) : (_piece, _at + count);
        return count;
    }

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation) => throw new NotSupportedException();

    internal override bool TrySend(ReadOnlySpan<byte> message) => throw new NotSupportedException();

    internal override void Write(ReadOnlySpan<byte> buffer) => throw new NotSupportedException();

    internal override ValueTask CloseOutputAsync() => throw new NotSupportedException();

    internal override ValueTask FlushAsync() => ValueTask.CompletedTask;

    internal override void Abort(Exception cause)
    {
    }

    internal override void Close()
    {
    }
}
