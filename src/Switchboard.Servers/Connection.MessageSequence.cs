using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    /// <summary>The messages of a connection, one after another. An iterator of the compiler's would add a microsecond to
    /// each; this one waits in the message read itself.</summary>
    private sealed class MessageSequence(Connection connection, Framing framing, CancellationToken given)
        : IAsyncEnumerable<ReadOnlyMemory<byte>>, IAsyncEnumerator<ReadOnlyMemory<byte>>
    {
        private CancellationToken _cancellation;
        private CancellationTokenSource? _either;
        private bool _isTaken;

        public ReadOnlyMemory<byte> Current { get; private set; }

        public IAsyncEnumerator<ReadOnlyMemory<byte>> GetAsyncEnumerator(CancellationToken cancellationToken = default)
        {
            if (_isTaken)
            {
                return new MessageSequence(connection, framing, given).GetAsyncEnumerator(cancellationToken);
            }
            _isTaken = true;
            if (given.CanBeCanceled && cancellationToken.CanBeCanceled && cancellationToken != given)
            {
                _either = CancellationTokenSource.CreateLinkedTokenSource(given, cancellationToken);
                _cancellation = _either.Token;
            }
            else
            {
                _cancellation = given.CanBeCanceled ? given : cancellationToken;
            }
            return this;
        }

        [SuppressMessage("Reliability", "CA2012", Justification = "The read is consumed once: here, or by who awaits the answer.")]
        public ValueTask<bool> MoveNextAsync()
        {
            ValueTask<ReadOnlyMemory<byte>?> read = connection.ReadMessageAsync(framing, _cancellation);
            if (read.IsCompletedSuccessfully)
            {
                return new ValueTask<bool>(Take(read.Result));
            }
            if (read.IsCompleted)
            {
                return FailedAsync(read);
            }
            MessageRead pending = connection._messageRead!;
            pending.Sequence = this;
            return new ValueTask<bool>(pending, pending.Version);
        }

        public ValueTask DisposeAsync()
        {
            Current = default;
            _either?.Dispose();
            return ValueTask.CompletedTask;
        }

        internal bool Take(ReadOnlyMemory<byte>? message)
        {
            Current = message.GetValueOrDefault();
            return message is not null;
        }

        private async ValueTask<bool> FailedAsync(ValueTask<ReadOnlyMemory<byte>?> read) => Take(await read);
    }
}
