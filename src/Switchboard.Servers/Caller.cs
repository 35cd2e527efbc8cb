using System.Net;

namespace Switchboard.Servers;

/// <summary>A request, as logs and activities name it.</summary>
/// <param name="Kind"><c>connection</c> or <c>datagram</c>.</param>
/// <param name="Id">Its number.</param>
/// <param name="Peer">Who it came from; null for an unnamed peer.</param>
internal readonly record struct Caller(string Kind, long Id, EndPoint? Peer)
{
    internal string PeerName => Peer?.ToString() ?? "an unnamed peer";

    public override string ToString() => $"{Kind} {Id} of {PeerName}";
}
