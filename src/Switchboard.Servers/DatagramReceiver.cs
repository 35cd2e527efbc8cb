using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>Takes datagrams out of a socket for one loop, as many with one call as it has room for, and gives them one by
/// one. After such a batch it says once that none is there, so that the others of the loop have their turn.</summary>
internal sealed class DatagramReceiver(int capacity, int size)
{
    private readonly DatagramBatch _batch = new(capacity, size);
    private int _count;
    private int _next;
    private bool _turnIsOver;

    /// <summary>True if the batch that is being given was as large as can be: there may be more than can be served.</summary>
    internal bool IsFull => _count == capacity && capacity > 1;

    internal DatagramBatch Batch => _batch;

    /// <summary>Goes to the next datagram. False if none is there now.</summary>
    /// <exception cref="SystemCallException">The kernel can't give any.</exception>
    internal bool TryNext(DescriptorHandle socket, string server, out int index)
    {
        if (_next < _count)
        {
            index = _next++;
            return true;
        }
        index = 0;
        if (_turnIsOver)
        {
            _turnIsOver = false;
            return false;
        }
        CallResult result;
        do
        {
            result = _batch.Receive(socket.Number);
        }
        // An earlier reply found nobody there; that says nothing of the datagrams that wait.
        while (result.Errno == Errno.ConnectionRefused);
        if (result.WouldBlock)
        {
            return false;
        }
        _count = result.OrThrow("recvmmsg", server);
        _next = 1;
        _turnIsOver = capacity > 1;
        return true;
    }
}
