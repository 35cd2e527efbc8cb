namespace Switchboard.Servers;

/// <summary>A factory gave a handler again that serves a request already, and that is not this request's to dispose.</summary>
internal sealed class HandlerTakenException(object handler, string serves, string what) : InvalidOperationException($"This {handler.GetType().Name} serves {serves} already. A handler object serves one {what}: make a new one in the factory.")
{
    internal object Handler => handler;
}
