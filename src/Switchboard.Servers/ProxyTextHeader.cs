using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Switchboard.Servers;

/// <summary>Version 1 of the PROXY protocol: <c>PROXY TCP4 192.0.2.1 192.0.2.2 51000 443</c> and CR LF.</summary>
internal static class ProxyTextHeader
{
    private const int LongestLine = 107;

    internal const byte FirstByte = (byte)'P';

    internal static bool TryRead(ReadOnlySpan<byte> received, out ProxyHeader? header, out int length)
    {
        header = null;
        length = 0;
        ReadOnlySpan<byte> prefix = "PROXY "u8;
        int known = Math.Min(received.Length, prefix.Length);
        if (!received[..known].SequenceEqual(prefix[..known]))
        {
            throw new InvalidDataException("What came first is no PROXY header.");
        }
        ReadOnlySpan<byte> window = received[..Math.Min(received.Length, LongestLine)];
        int end = window.IndexOf("\r\n"u8);
        if (end < 0)
        {
            return received.Length < LongestLine ? false : throw new InvalidDataException($"The PROXY header of version 1 has no end within {LongestLine} bytes.");
        }
        header = Parse(window[prefix.Length..end]);
        length = end + 2;
        return true;
    }

    private static ProxyHeader Parse(ReadOnlySpan<byte> words)
    {
        // What follows UNKNOWN is to be ignored.
        if (words.SequenceEqual("UNKNOWN"u8) || words.StartsWith("UNKNOWN "u8))
        {
            return new ProxyHeader(1);
        }
        string[] parts = Encoding.Latin1.GetString(words).Split(' ');
        return parts switch
        {
            ["TCP4", var source, var destination, var from, var to] => new(1, new IPEndPoint(IPv4(source), Port(from)), new IPEndPoint(IPv4(destination), Port(to))),
            ["TCP6", var source, var destination, var from, var to] => new(1, new IPEndPoint(IPv6(source), Port(from)), new IPEndPoint(IPv6(destination), Port(to))),
            _ => throw new InvalidDataException("A PROXY header of version 1 must say TCP4 or TCP6, two addresses and two ports, or UNKNOWN."),
        };
    }

    // The base library also reads 127.1 and 0x7f000001; the document does not.
    private static IPAddress IPv4(string text) =>
        IPAddress.TryParse(text, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text
            ? address : throw Wrong("IPv4 address", text);

    private static IPAddress IPv6(string text) =>
        text.All(static c => char.IsAsciiHexDigit(c) || c is ':' or '.') && IPAddress.TryParse(text, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? address : throw Wrong("IPv6 address", text);

    private static int Port(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && (text.Length == 1 || text[0] != '0')
            ? port : throw Wrong("unsigned number of a port", text);

    private static InvalidDataException Wrong(string what, string text) => new($"'{Printable(text)}' in a PROXY header is not an {what}.");

    private static string Printable(string text) => string.Concat(text.Select(static c => char.IsBetween(c, ' ', '~') ? c : '?'));
}
