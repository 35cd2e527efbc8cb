using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

internal sealed record LogRecord(LogLevel Level, int Id, string Text, Exception? Exception)
{
    /// <summary>Its structured fields.</summary>
    internal IReadOnlyList<KeyValuePair<string, object?>> Fields { get; init; } = [];
}

/// <summary>Keeps all log records, so that tests can wait for one.</summary>
internal sealed class RecordingLog : ILoggerFactory, ILogger
{
    private readonly List<LogRecord> _records = [];
    private readonly List<(Func<LogRecord, bool> Condition, TaskCompletionSource<LogRecord> Source)> _waiters = [];

    /// <summary>Called with each record, by whoever logs it.</summary>
    internal Action<LogRecord> OnRecord { get; set; } = _ => { };

    internal LogRecord[] Records
    {
        get
        {
            lock (_records)
            {
                return [.. _records];
            }
        }
    }

    internal Task<LogRecord> WaitAsync(Func<LogRecord, bool> condition)
    {
        lock (_records)
        {
            if (_records.Find(new Predicate<LogRecord>(condition)) is { } found)
            {
                return Task.FromResult(found);
            }
            var source = new TaskCompletionSource<LogRecord>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((condition, source));
            return source.Task.InTime();
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    /// <summary>Less than this is not recorded.</summary>
    internal LogLevel Least { get; init; } = LogLevel.Trace;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Least && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var record = new LogRecord(logLevel, eventId.Id, formatter(state, exception), exception)
        {
            Fields = state as IReadOnlyList<KeyValuePair<string, object?>> ?? [],
        };
        OnRecord(record);
        lock (_records)
        {
            _records.Add(record);
            foreach ((Func<LogRecord, bool> condition, TaskCompletionSource<LogRecord> source) in _waiters)
            {
                if (condition(record))
                {
                    source.TrySetResult(record);
                }
            }
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Dispose()
    {
    }
}
