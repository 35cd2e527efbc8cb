namespace Switchboard.Workers;

/// <content>What becomes of an exception that leaves the work.</content>
public partial class ThreadWorker
{
    private static volatile TextWriter? _errorWriter;

    /// <summary>Raised when an exception has left a worker's work and nobody is going to see it otherwise. While nobody
    /// subscribes, the exception is written to <see cref="ErrorWriter"/>; a subscriber takes that over. The program
    /// goes on in either case (<c>threading.excepthook</c> in CPython).</summary>
    /// <remarks>
    /// <para>For a worker without a result: always, on its own thread, before it counts as stopped, whether or not
    /// somebody awaits <see cref="Completion"/>. For a <see cref="ThreadWorker{T}"/>: only if nobody has asked for its
    /// result, when the worker is collected (then on the finalizer's thread) or when the program ends.</para>
    /// <para>A subscriber that throws harms neither the others nor the worker: both exceptions are written to
    /// <see cref="ErrorWriter"/>.</para>
    /// </remarks>
    public static event EventHandler<WorkerExceptionEventArgs>? UnhandledException;

    /// <summary>Where exceptions are written that no subscriber of <see cref="UnhandledException"/> takes; null, as at
    /// first, for <see cref="Console.Error"/> as it is at that moment. A writer that fails is ignored.</summary>
    public static TextWriter? ErrorWriter
    {
        get => _errorWriter;
        set => _errorWriter = value;
    }

    private protected void RaiseUnhandledException(Exception exception)
    {
        if (UnhandledException is not { } subscribers)
        {
            WriteError(() => $"{this} ended with an exception that its work did not catch:{Environment.NewLine}{Text(exception)}{Environment.NewLine}");
            return;
        }
        var told = new WorkerExceptionEventArgs(this, exception);
        foreach (EventHandler<WorkerExceptionEventArgs> subscriber in Delegate.EnumerateInvocationList(subscribers))
        {
            try
            {
                subscriber(this, told);
            }
            catch (Exception failure)
            {
                WriteError(() => $"A subscriber of ThreadWorker.UnhandledException failed:{Environment.NewLine}{Text(failure)}{Environment.NewLine}"
                    + $"It had been told that {this} ended with an exception:{Environment.NewLine}{Text(exception)}{Environment.NewLine}");
            }
        }
    }

    // Whatever fails here has nobody left to be told to, and must not end the program.
    private static void WriteError(Func<string> text)
    {
        try
        {
            TextWriter writer = _errorWriter ?? Console.Error;
            writer.Write(text());
            writer.Flush();
        }
        catch (Exception)
        {
        }
    }

    // The text of an exception is its author's code, or has a stack too deep for the memory that is left.
    private static string Text(Exception exception)
    {
        try
        {
            return exception.ToString();
        }
        catch (Exception failure)
        {
            return $"{exception.GetType()}, whose text could not be had ({failure.GetType()}).";
        }
    }
}
