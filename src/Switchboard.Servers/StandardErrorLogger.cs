using Microsoft.Extensions.Logging;

namespace Switchboard.Servers;

/// <summary>Where log records go if no logger was given: warnings and errors, a line each, to standard error. A failed
/// handler is never silent.</summary>
internal sealed class StandardErrorLoggerFactory : ILoggerFactory, ILogger
{
    internal static StandardErrorLoggerFactory Instance { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This logger has one way out. Give ServerOptions.LoggerFactory instead.");

    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and not LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            string text = formatter(state, exception);
            Console.Error.WriteLine(exception is null ? text : $"{text} {exception}");
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Dispose()
    {
    }
}
