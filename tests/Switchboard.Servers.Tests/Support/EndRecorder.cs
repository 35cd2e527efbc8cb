using System.Threading.Channels;

namespace Switchboard.Servers.Tests;

/// <summary>The ends of connections, one after another.</summary>
internal sealed class EndRecorder
{
    private readonly Channel<(Connection Connection, ConnectionEnd End)> _ends = Channel.CreateUnbounded<(Connection, ConnectionEnd)>();

    internal void Add(Connection connection, ConnectionEnd end) => _ends.Writer.TryWrite((connection, end));

    internal Task<(Connection Connection, ConnectionEnd End)> NextAsync() => _ends.Reader.ReadAsync().InTime();

    /// <summary>How many have come that nobody has asked for.</summary>
    internal int More => _ends.Reader.Count;
}
