using System.Net;

namespace Switchboard.Servers;

/// <summary>A header of the PROXY protocol: for whom a proxy calls. Immutable.</summary>
public sealed record ProxyHeader
{
    /// <summary>The longest header that is taken, in bytes: of version 1 the document says 107, version 2 could announce 65,551.</summary>
    public const int LongestLength = 4096;

    internal ProxyHeader(int version, EndPoint? source = null, EndPoint? destination = null, IReadOnlyList<ProxyValue>? values = null) =>
        (Version, Source, Destination, Values) = (version, source, destination, values ?? []);

    /// <summary>1 or 2.</summary>
    public int Version { get; }

    /// <summary>Who called the proxy; null if it calls on its own account (LOCAL), or does not say (UNKNOWN, UNSPEC).</summary>
    public EndPoint? Source { get; }

    /// <summary>Whom the caller reached at the proxy; null where <see cref="Source"/> is.</summary>
    public EndPoint? Destination { get; }

    /// <summary>What else version 2 says, in its order: type and value.</summary>
    public IReadOnlyList<ProxyValue> Values { get; }

    /// <summary>Reads a header from the beginning of what a proxy has sent.</summary>
    /// <param name="received">What has come so far.</param>
    /// <param name="header">The header, if it is whole.</param>
    /// <param name="length">How many bytes it takes, if it is whole.</param>
    /// <returns>False if more must come.</returns>
    /// <exception cref="InvalidDataException">It is no header, however it goes on.</exception>
    public static bool TryRead(ReadOnlySpan<byte> received, out ProxyHeader? header, out int length)
    {
        header = null;
        length = 0;
        return received.Length > 0 && (received[0] == ProxyTextHeader.FirstByte
            ? ProxyTextHeader.TryRead(received, out header, out length)
            : ProxyBinaryHeader.TryRead(received, out header, out length));
    }
}

/// <summary>A value beside the addresses of a PROXY header of version 2.</summary>
/// <param name="Type">Its number, PP2_TYPE_... in the document: 1 for ALPN, 2 for the server name, and so on.</param>
/// <param name="Content">The value's bytes.</param>
public readonly record struct ProxyValue(byte Type, ReadOnlyMemory<byte> Content);

/// <summary>Takes the header of one connection; what follows it stays for others.</summary>
internal sealed class ProxyFraming : Framing
{
    internal ProxyHeader? Header { get; private set; }

    // The header has its own bound, which is not that of messages.
    public override int Overhead => ProxyHeader.LongestLength;

    public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
    {
        announced = 0;
        bool found = ProxyHeader.TryRead(received, out ProxyHeader? header, out int length);
        Header = header;
        frame = new Frame(0, 0, length);
        return found;
    }
}
