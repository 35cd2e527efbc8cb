namespace Switchboard.Bench;

/// <summary>An echo server that can be measured.</summary>
/// <param name="Name">What result lines and options call it.</param>
/// <param name="Managed">True for a .NET program, which can tell what it allocates.</param>
/// <param name="Command">What starts it: a program that listens on a port of 127.0.0.1, writes its number as its first
/// line, and ends when its standard input does.</param>
internal sealed record Server(string Name, bool Managed, IReadOnlyList<string> Command);
