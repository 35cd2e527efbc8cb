using System.Globalization;
using System.Text;

namespace Switchboard.EndToEnd.Tests;

/// <summary>What a client of Redis sends.</summary>
internal static class Resp
{
    /// <summary>A command as an array of bulk strings, each argument's characters as bytes.</summary>
    internal static byte[] Command(params string[] arguments) => Command([.. arguments.Select(Encoding.Latin1.GetBytes)]);

    /// <summary>A command as an array of bulk strings.</summary>
    internal static byte[] Command(params byte[][] arguments) =>
        [.. Line('*', arguments.Length), .. arguments.SelectMany(static argument => Bulk(argument))];

    /// <summary>A bulk string: an argument, or a reply.</summary>
    internal static byte[] Bulk(byte[] bytes) => [.. Line('$', bytes.Length), .. bytes, .. "\r\n"u8];

    private static byte[] Line(char type, int number) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{type}{number}\r\n"));
}
