using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Switchboard.Cli;

/// <summary>Writes each log record as one line: the time of day, the level, the text. Thread-safe if the writer is.</summary>
internal sealed class LineLogger(TextWriter writer, LogLevel least, TimeProvider clock) : ILoggerFactory, ILogger
{
    private const string LineEndInside = " | ";

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This logger has one way out, the writer that it was made with.");

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }
        string text = formatter(state, exception);
        if (exception is not null)
        {
            text = $"{text} {exception}";
        }
        string time = clock.GetLocalNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        writer.WriteLine($"{time} {Name(logLevel)} {text.ReplaceLineEndings(LineEndInside)}");
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Dispose()
    {
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        LogLevel.Error => "error",
        _ => "critical",
    };
}
