namespace Switchboard.Bench.Load;

/// <summary>The bytes of a request, and the check that an echo brings the same ones back.</summary>
internal sealed class Payload
{
    // A prime period, so that an echo shifted by any power of two is noticed.
    private const int Period = 251;

    private readonly byte[] _bytes;

    internal Payload(int size)
    {
        _bytes = GC.AllocateUninitializedArray<byte>(size, pinned: true);
        for (int i = 0; i < size; i++)
        {
            _bytes[i] = (byte)(i % Period);
        }
    }

    internal int Size => _bytes.Length;

    internal ReadOnlySpan<byte> From(int sent) => _bytes.AsSpan(sent);

    internal void Check(ReadOnlySpan<byte> received, int position)
    {
        if (position + received.Length > _bytes.Length || !received.SequenceEqual(_bytes.AsSpan(position, received.Length)))
        {
            throw new LoadException($"The server sent {received.Length} bytes at position {position} of an echo of {_bytes.Length} bytes, and they are not those that were sent.");
        }
    }
}
