using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    /// <summary>The one message read that waits for the peer: used again for each, so that waiting allocates nothing, and
    /// able to wait inline on the call's own thread, as the connection's plain reads are.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Each read is consumed once: at once, or in OnRead.")]
    private sealed class MessageRead : IReadWaiter, IValueTaskSource<ReadOnlyMemory<byte>?>, IValueTaskSource<bool>
    {
        private readonly Connection _connection;
        private Action? _onRead;
        private ManualResetValueTaskSourceCore<ReadOnlyMemory<byte>?> _source;
        private ValueTaskAwaiter<int> _read;
        private Framing _framing = Framing.Packet;
        private CancellationToken _cancellation;
        private int _examined;
        private bool _waitsOnly;
        private bool _wantsContext;

        internal MessageRead(Connection connection) => _connection = connection;

        internal short Version => _source.Version;

        /// <summary>The sequence that waits for the message, if one does.</summary>
        internal MessageSequence? Sequence { get; set; }

        bool IValueTaskSource<bool>.GetResult(short token) => Sequence!.Take(GetResult(token));

        internal ValueTask<ReadOnlyMemory<byte>?> Start(Framing framing, int examined, CancellationToken cancellation)
        {
            (_framing, _examined, _cancellation) = (framing, examined, cancellation);
            _source.Reset();
            _wantsContext = true;
            short version = _source.Version;
            try
            {
                if (!Advance(out ReadOnlyMemory<byte>? message))
                {
                    return new ValueTask<ReadOnlyMemory<byte>?>(this, version);
                }
                _connection._readingMessage = 0;
                return new ValueTask<ReadOnlyMemory<byte>?>(message);
            }
            catch (Exception exception)
            {
                _connection._readingMessage = 0;
                return ValueTask.FromException<ReadOnlyMemory<byte>?>(exception);
            }
        }

        /// <summary>Reads until a message is there (true), or the peer must be waited for (false).</summary>
        private bool Advance(out ReadOnlyMemory<byte>? message)
        {
            Transport transport = _connection._transport;
            while (true)
            {
                // No buffer is held while nothing is there, but what comes after the wait must be read in a piece of the call.
                _waitsOnly = !_connection.HasBuffered && transport.IsCurrent;
                if (_waitsOnly)
                {
                    _connection.ReturnBuffer();
                    if (transport.TryAwaitRead(this, _cancellation))
                    {
                        message = null;
                        return false;
                    }
                }
                ValueTaskAwaiter<int> read = transport.ReadAsync(_waitsOnly ? Memory<byte>.Empty : MakeRoom(), _cancellation).GetAwaiter();
                if (!read.IsCompleted)
                {
                    message = null;
                    _read = read;
                    read.UnsafeOnCompleted(_onRead ??= OnRead);
                    return false;
                }
                if (Take(read.GetResult(), out message))
                {
                    return true;
                }
            }
        }

        private Memory<byte> MakeRoom()
        {
            if (_connection.HasBuffered)
            {
                _connection.MakeRoom();
                return _connection._buffer.AsMemory(_connection._filled);
            }
            _connection.TakeEmptyBuffer();
            return _connection._buffer.AsMemory(0, _connection.RoomFor(_framing).Length);
        }

        private bool Take(int count, out ReadOnlyMemory<byte>? message)
        {
            message = null;
            if (_waitsOnly)
            {
                if (!_connection._transport.IsCurrent)
                {
                    return false;
                }
                _connection.TakeEmptyBuffer();
                count = _connection._transport.TryRead(_connection.RoomFor(_framing));
            }
            if (count == 0)
            {
                message = _connection.TakeRest(_framing);
                return true;
            }
            if (count < 0)
            {
                return false;
            }
            _connection._filled += count;
            bool found = _connection.TryTake(_framing, ref _examined, out ReadOnlyMemory<byte> whole);
            message = whole;
            return found;
        }

        private void OnRead()
        {
            int count;
            try
            {
                count = _read.GetResult();
            }
            catch (Exception exception)
            {
                Fail(exception);
                return;
            }
            GoOn(count);
        }

        void IReadWaiter.OnReadable(Exception? failure)
        {
            if (failure is null)
            {
                GoOn(0);
            }
            else
            {
                Fail(failure);
            }
        }

        private void GoOn(int count)
        {
            ReadOnlyMemory<byte>? message;
            try
            {
                if (!Take(count, out message) && !Advance(out message))
                {
                    return;
                }
            }
            catch (Exception exception)
            {
                Fail(exception);
                return;
            }
            CompletionScope scope = CompletionScope.Enter(_wantsContext);
            _source.SetResult(message);
            scope.Leave();
        }

        private void Fail(Exception exception)
        {
            CompletionScope scope = CompletionScope.Enter(_wantsContext);
            _source.SetException(exception);
            scope.Leave();
        }

        public ReadOnlyMemory<byte>? GetResult(short token)
        {
            if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
            {
                WaitInline();
            }
            try
            {
                return _source.GetResult(token);
            }
            finally
            {
                Volatile.Write(ref _connection._readingMessage, _connection.HasEnded ? 1 : 0);
            }
        }

        private void WaitInline()
        {
            if (_connection._transport.Context is not null)
            {
                _connection._transport.WaitInline(static self => ((MessageRead)self!)._source.GetStatus(((MessageRead)self)._source.Version) != ValueTaskSourceStatus.Pending, this);
                return;
            }
            using var done = new ManualResetEventSlim();
            _source.OnCompleted(static state => ((ManualResetEventSlim)state!).Set(), done, _source.Version, ValueTaskSourceOnCompletedFlags.None);
            done.Wait();
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            if (_connection._transport.Context is { } context)
            {
                _wantsContext = CompletionScope.WantsContext(context, ref flags);
                _source.RunContinuationsAsynchronously = !_connection._transport.IsCurrent;
            }
            _source.OnCompleted(continuation, state, token, flags);
        }
    }

    private void TakeEmptyBuffer()
    {
        _buffer ??= ArrayPool<byte>.Shared.Rent(ReadSize);
        (_start, _filled) = (0, 0);
    }
}
