using CsCheck;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class AgreementTests
{
    private const int Pairs = 4;

    private enum Deed
    {
        Register,
        Modify,
        Unregister,
        Write,
        Fill,
        Read,
        EndOutput,
        Close,
        CloseThenUnregister,
        CloseKeptByACopy,
    }

    private static readonly Gen<(Deed, int, Interest)[]> _stories = Gen.Select(
        Gen.Enum<Deed>(), Gen.Int[0, (2 * Pairs) - 1], Gen.Int[0, 7].Select(bits => (Interest)bits)).Array[1, 40];

    [Fact]
    public void Select_poll_and_epoll_agree_on_what_is_ready_whatever_happens() =>
        _stories.Sample(story =>
        {
            using Watched watched = new();
            foreach ((Deed deed, int end, Interest interest) in story)
            {
                watched.Do(deed, end, interest);
                watched.AssertAgreement();
            }
        }, iter: 400, threads: 1);

    /// <summary>The same descriptors in all three selectors.</summary>
    private sealed class Watched : IDisposable
    {
        private readonly Selector[] _selectors = [new SelectSelector(), new PollSelector(), new EpollSelector()];
        private readonly DescriptorHandle[] _ends = new DescriptorHandle[2 * Pairs];
        private readonly List<DescriptorHandle> _copies = [];

        internal Watched()
        {
            for (int i = 0; i < _ends.Length; i += 2)
            {
                Connect(i);
            }
        }

        internal void Do(Deed deed, int end, Interest interest)
        {
            int number = _ends[end].Number;
            bool registered = _selectors[0].TryGetKey(number, out _);
            switch (deed)
            {
                case Deed.Register when !registered:
                    Each(selector => selector.Register(_ends[end], interest));
                    break;
                case Deed.Modify when registered:
                    Each(selector => selector.Modify(selector.GetKey(number), interest));
                    break;
                case Deed.Unregister when registered:
                    Each(selector => selector.Unregister(number));
                    break;
                case Deed.Write:
                    SocketCalls.Send(number, "x"u8, SocketCallFlags.DontWait);
                    break;
                case Deed.Fill:
                    while (SocketCalls.Send(number, new byte[16_384], SocketCallFlags.DontWait).Succeeded)
                    {
                    }
                    break;
                case Deed.Read:
                    while (SocketCalls.Receive(number, new byte[65_536], SocketCallFlags.DontWait) is { Succeeded: true, Value: > 0 })
                    {
                    }
                    break;
                case Deed.EndOutput:
                    SocketCalls.Shutdown(number, System.Net.Sockets.SocketShutdown.Send);
                    break;
                case Deed.Close:
                    Replace(end, unregisterFirst: true);
                    break;
                case Deed.CloseThenUnregister:
                    Replace(end, unregisterFirst: false);
                    break;
                case Deed.CloseKeptByACopy:
                    _copies.Add(DescriptorCalls.Duplicate(number));
                    Replace(end, unregisterFirst: false);
                    break;
            }
        }

        internal void AssertAgreement()
        {
            SortedDictionary<int, Readiness>[] answers = [.. _selectors.Select(selector => new SortedDictionary<int, Readiness>(
                selector.Select(TimeSpan.Zero).ToDictionary(ready => ready.Key.Descriptor, ready => ready.Ready)))];
            Assert.Equal(answers[1], answers[2]);
            Assert.Equal(AsSelectSees(answers[1], answers[1]), AsSelectSees(answers[0], answers[1]));
        }

        public void Dispose()
        {
            Each(selector => selector.Dispose());
            Array.ForEach(_ends, end => end.Dispose());
            _copies.ForEach(copy => copy.Dispose());
        }

        // select(2) has no word for an error or a hang-up, nor does it call a socket writable that fails each write
        // with EPIPE because its peer is gone while its buffer is full.
        private static Dictionary<int, Readiness> AsSelectSees(SortedDictionary<int, Readiness> answer, SortedDictionary<int, Readiness> poll) => answer
            .Select(one => KeyValuePair.Create(one.Key, one.Value & ~(Readiness.Error | Readiness.HangUp
                | (poll.TryGetValue(one.Key, out Readiness told) && told.HasFlag(Readiness.HangUp) ? Readiness.Writable : 0))))
            .Where(one => one.Value != 0)
            .ToDictionary();

        // Both ends go, so that one of them never belongs to a pair of its own.
        private void Replace(int end, bool unregisterFirst)
        {
            int first = end & ~1;
            foreach (DescriptorHandle one in _ends.AsSpan(first, 2))
            {
                int number = one.Number;
                bool registered = _selectors[0].TryGetKey(number, out _);
                if (!unregisterFirst)
                {
                    one.Dispose();
                }
                if (registered)
                {
                    Each(selector => selector.Unregister(number));
                }
                one.Dispose();
            }
            Connect(first);
        }

        private void Connect(int first) => (_ends[first], _ends[first + 1]) = SocketCalls.CreatePair();

        private void Each(Action<Selector> action) => Array.ForEach(_selectors, action);
    }
}
