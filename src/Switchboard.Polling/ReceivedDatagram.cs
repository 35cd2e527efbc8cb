using System.Net;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>What <see cref="LoopDatagramSocket.ReceiveFromAsync"/> received.</summary>
public readonly struct ReceivedDatagram
{
    internal ReceivedDatagram(int count, int originalLength, in NativeAddress sender)
    {
        Count = count;
        OriginalLength = originalLength;
        Sender = sender;
    }

    /// <summary>How many bytes are in the buffer; 0 for an empty datagram.</summary>
    public int Count { get; }

    /// <summary>How long it was when it was sent.</summary>
    public int OriginalLength { get; }

    /// <summary>True if the buffer was too short for it, so that its end is lost.</summary>
    public bool IsTruncated => OriginalLength > Count;

    /// <summary>The sender, for an answer or as a key, without allocation.</summary>
    public NativeAddress Sender { get; }

    /// <summary>The sender as .NET has it; null for a Unix sender that is not bound, which can't be answered.</summary>
    public EndPoint? SenderEndPoint => Sender.ToEndPoint();
}
