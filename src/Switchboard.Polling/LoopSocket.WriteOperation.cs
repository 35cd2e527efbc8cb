using System.Buffers;
using System.Threading.Tasks.Sources;

namespace Switchboard.Polling;

public sealed partial class LoopSocket
{
    private enum WriteKind
    {
        Borrowed,
        Copied,
        Flush,
        CloseOutput,
    }

    /// <summary>A write that waits for the peer. Its task may be awaited once.</summary>
    private sealed class WriteOperation(LoopSocket socket) : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _source;
        private CancellationToken _token;
        private CancellationTokenRegistration _registration;
        private byte[]? _rented;
        private bool _wantsContext;
        private bool _completed;
        private Exception? _cancelled;

        internal LoopSocket Socket => socket;

        internal WriteKind Kind { get; private set; }

        internal ReadOnlyMemory<byte> Buffer { get; private set; }

        internal int SentCount { get; set; }

        /// <summary>True if it was cancelled before its first byte; it stays in the queue and is passed over.</summary>
        internal bool IsWithdrawn { get; private set; }

        internal short Version => _source.Version;

        internal void Prepare(WriteKind kind, ReadOnlyMemory<byte> buffer, int sent, byte[]? rented, CancellationToken token)
        {
            _source.Reset();
            _completed = false;
            _cancelled = null;
            IsWithdrawn = false;
            Kind = kind;
            Buffer = buffer;
            SentCount = sent;
            _rented = rented;
            _token = token;
        }

        internal void Register()
        {
            if (_token.CanBeCanceled)
            {
                _registration = _token.UnsafeRegister(static self =>
                    ((WriteOperation)self!).Socket._loop.Post(static inner => ((WriteOperation)inner!).Cancel(), self), this);
            }
        }

        private void Cancel()
        {
            // The operation may have been completed and rented again meanwhile, with another token.
            if (_completed || IsWithdrawn || !_token.IsCancellationRequested)
            {
                return;
            }
            var exception = new OperationCanceledException(_token);
            if (SentCount > 0)
            {
                // A stop lets what has begun go out; the grace time ends it.
                if (_token != socket._owner.StopToken)
                {
                    _cancelled = exception;
                    socket.Fault(socket._owner.OnTornWrite(SentCount, Buffer.Length));
                }
                return;
            }
            IsWithdrawn = true;
            Buffer = default;
            Finish(exception);
        }

        internal void Complete(Exception? exception)
        {
            if (!_completed)
            {
                Finish(_cancelled ?? exception);
            }
        }

        private void Finish(Exception? exception)
        {
            _completed = true;
            if (_token.CanBeCanceled)
            {
                _registration.Unregister();
            }
            if (_rented is not null)
            {
                Interlocked.Add(ref socket._copiedPending, -Buffer.Length);
                ArrayPool<byte>.Shared.Return(_rented);
                _rented = null;
            }
            CompletionScope scope = CompletionScope.Enter(_wantsContext);
            if (exception is null)
            {
                _source.SetResult(true);
            }
            else
            {
                _source.SetException(exception);
            }
            scope.Leave();
        }

        public void GetResult(short token)
        {
            if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
            {
                socket._loop.WaitInline(static self => ((WriteOperation)self!)._completed, this);
            }
            bool reusable = !IsWithdrawn;
            try
            {
                _source.GetResult(token);
            }
            finally
            {
                Buffer = default;
                // A withdrawn one is still in the queue.
                if (reusable && Kind == WriteKind.Borrowed)
                {
                    socket._spareWrite = this;
                }
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            _wantsContext = CompletionScope.WantsContext(socket._loop, ref flags);
            _source.RunContinuationsAsynchronously = !socket._loop.IsCurrent;
            _source.OnCompleted(continuation, state, token, flags);
        }
    }
}
