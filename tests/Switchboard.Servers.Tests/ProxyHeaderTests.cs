using System.Net;
using System.Text;
using CsCheck;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>The header of the PROXY protocol, as bytes.</summary>
public sealed class ProxyHeaderTests
{
    private static readonly string[] _kinds = ["TCP4", "TCP6", "UNKNOWN", "X"];
    private static readonly byte[] _commands = [0x21, 0x20, 0x01];
    private static readonly byte[] _signature = [.. "\r\n\r\n\0\r\nQUIT\n"u8];

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 51000 443\r\n", "192.0.2.1:51000", "192.0.2.2:443")]
    [InlineData("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", "[2001:db8::1]:0", "[::1]:65535")]
    [InlineData("PROXY UNKNOWN\r\n", null, null)]
    [InlineData("PROXY UNKNOWN ffff::1 whatever it says\r\n", null, null)]
    public void A_line_of_text_names_both_addresses(string line, string? source, string? destination)
    {
        ProxyHeader header = ReadWhole(Encoding.ASCII.GetBytes(line));
        Assert.Equal(1, header.Version);
        Assert.Equal(source, header.Source?.ToString());
        Assert.Equal(destination, header.Destination?.ToString());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n")]
    [InlineData("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n")]
    [InlineData("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n")]
    [InlineData("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n")]
    [InlineData("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n")]
    [InlineData("PROXY TCP4 127.1 2.2.2.2 1 2\r\n")]
    [InlineData("PROXY TCP4 ::1 ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n")]
    [InlineData("PROXY TCP6 fe80::1%1 ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 [::1] ::1 1 2\r\n")]
    [InlineData("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n")]
    [InlineData("PROXY UNKNOWNX\r\n")]
    public void A_wrong_line_of_text_is_no_header(string line) =>
        Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(Encoding.ASCII.GetBytes(line), out _, out _));

    [Fact]
    public void A_line_of_text_ends_within_107_bytes()
    {
        byte[] longest = Encoding.ASCII.GetBytes($"PROXY UNKNOWN {new string('x', 107 - 16)}\r\n");
        Assert.Equal(107, longest.Length);
        ReadWhole(longest);
        byte[] longer = [.. longest.AsSpan(0, 105), (byte)'x', (byte)'\r', (byte)'\n'];
        Assert.Contains("107", Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(longer, out _, out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_binary_header_names_both_addresses_and_carries_values()
    {
        byte[] padding = [4, 0, 3, 0, 0, 0];
        byte[] name = [2, 0, 7, .. "example"u8];
        ProxyHeader header = ReadWhole(Binary(0x21, 0x11, [192, 0, 2, 1, 192, 0, 2, 2, 0xC7, 0x38, 1, 187, .. padding, .. name]));
        Assert.Equal((2, "192.0.2.1:51000", "192.0.2.2:443"), (header.Version, $"{header.Source}", $"{header.Destination}"));
        ProxyValue value = Assert.Single(header.Values);
        Assert.Equal(2, value.Type);
        Assert.Equal("example", Encoding.ASCII.GetString(value.Content.Span));
        header = ReadWhole(Binary(0x21, 0x21, [.. IPAddress.Parse("2001:db8::1").GetAddressBytes(), .. IPAddress.IPv6Loopback.GetAddressBytes(), 0, 1, 0, 2]));
        Assert.Equal(("[2001:db8::1]:1", "[::1]:2"), ($"{header.Source}", $"{header.Destination}"));
        byte[] paths = new byte[216];
        "/run/a"u8.CopyTo(paths);
        header = ReadWhole(Binary(0x21, 0x31, paths));
        Assert.Equal("/run/a", $"{header.Source}");
        Assert.Null(header.Destination);
    }

    [Theory]
    [InlineData(0x20, 0x11)]
    [InlineData(0x21, 0x00)]
    public void A_proxy_that_calls_by_itself_or_does_not_say_names_nobody(byte command, byte family)
    {
        ProxyHeader header = ReadWhole(Binary(command, family, []));
        Assert.Null(header.Source);
        Assert.Null(header.Destination);
    }

    [Theory]
    [InlineData(0x11, 0x11, 12)]
    [InlineData(0x22, 0x11, 12)]
    [InlineData(0x21, 0x12, 12)]
    [InlineData(0x21, 0x41, 12)]
    [InlineData(0x21, 0x11, 11)]
    [InlineData(0x21, 0x21, 35)]
    [InlineData(0x21, 0x31, 215)]
    [InlineData(0x21, 0x11, 14)]
    [InlineData(0x21, 0x11, 4081)]
    public void A_wrong_binary_header_is_no_header(byte command, byte family, int length) =>
        Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(Binary(command, family, new byte[length]), out _, out _));

    [Fact]
    public void A_checksum_is_checked()
    {
        // CRC32c of the header with zeros in its place, reckoned bit by bit.
        byte[] header = Binary(0x21, 0x11, [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 3, 0, 4, 0, 0, 0, 0]);
        uint sum = uint.MaxValue;
        foreach (byte b in header)
        {
            sum ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82F63B78 : 0);
            }
        }
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(header.Length - 4), ~sum);
        Assert.Equal("1.2.3.4:1", $"{ReadWhole(header).Source}");
        header[^1] ^= 1;
        Assert.Contains("checksum", Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(header, out _, out _)).Message, StringComparison.Ordinal);
    }

    /// <summary>Whatever comes, the reader says within 4,096 bytes whether it is a header, and says the same however the bytes
    /// are cut. Scaled by SWITCHBOARD_SCALE: 50 makes it a million inputs.</summary>
    [Fact]
    public void Garbage_is_told_from_a_header_and_never_read_beyond_its_bound()
    {
        Gen<byte[]> any = Gen.Byte.Array[0, 300];
        Gen<byte[]> binary = Gen.Select(Gen.Byte, Gen.Byte, Gen.Int[0, 5000], Gen.Byte.Array[0, 300], (command, family, length, rest) =>
            (byte[])[.. _signature, command, family, (byte)(length >> 8), (byte)length, .. rest]);
        Gen<byte[]> text = Gen.Select(Gen.Int[0, 3], Gen.Char[' ', '~'].Array[0, 120], (kind, rest) =>
            Encoding.Latin1.GetBytes($"PROXY {_kinds[kind]} {new string(rest)}\r\n"));
        Gen<byte[]> likely = Gen.Select(Gen.Byte.Array[12], Gen.Byte.Array[0, 40], Gen.Int[0, 2], (addresses, rest, command) => Binary(_commands[command], 0x11, [.. addresses, .. rest]));
        Gen.OneOf(any, binary, text, likely).Sample(Check, iter: Scale.Of(20_000));
    }

    private static void Check(byte[] bytes)
    {
        bool? whole = Read(bytes, out ProxyHeader? header, out int length);
        Assert.True(whole != true || (header is not null && length > 0 && length <= bytes.Length && length <= ProxyHeader.LongestLength));
        Assert.True(whole is not null || bytes.Length > 0);
        Assert.False(whole == false && bytes.Length > ProxyHeader.LongestLength);
        if (whole == true)
        {
            // No part of it is a header already, and what follows changes nothing.
            for (int part = 0; part < length; part++)
            {
                Assert.False(Read(bytes[..part], out _, out _));
            }
            Assert.True(Read([.. bytes.AsSpan(0, length), 7], out ProxyHeader? again, out int same));
            Assert.Equal((length, header!.Source, header.Destination), (same, again!.Source, again.Destination));
        }
    }

    /// <summary>Null for garbage.</summary>
    private static bool? Read(byte[] bytes, out ProxyHeader? header, out int length)
    {
        try
        {
            return ProxyHeader.TryRead(bytes, out header, out length);
        }
        catch (InvalidDataException)
        {
            (header, length) = (null, 0);
            return null;
        }
    }

    private static ProxyHeader ReadWhole(byte[] bytes)
    {
        for (int part = 0; part < bytes.Length; part++)
        {
            Assert.False(ProxyHeader.TryRead(bytes.AsSpan(0, part), out _, out _));
        }
        Assert.True(ProxyHeader.TryRead([.. bytes, 1, 2, 3], out ProxyHeader? header, out int length));
        Assert.Equal(bytes.Length, length);
        return header!;
    }

    private static byte[] Binary(byte command, byte family, byte[] rest) => [.. _signature, command, family, (byte)(rest.Length >> 8), (byte)rest.Length, .. rest];
}
