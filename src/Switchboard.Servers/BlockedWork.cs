namespace Switchboard.Servers;

/// <summary>Names what holds up a loop: a handler, or the async method whose rest was posted.</summary>
internal static class BlockedWork
{
    internal static string? Describe(object work)
    {
        // The rest of an async method is posted as its box or as the MoveNext of that. The box's type says which state
        // machine it holds: a type that the compiler nests in the method's own, with the method's name in angle brackets.
        object? box = work is Delegate piece ? piece.Target : work;
        Type? machine = box?.GetType().GenericTypeArguments.FirstOrDefault(type => type.Name.StartsWith('<'));
        return machine?.DeclaringType is { } owner ? Name(owner, machine.Name) : null;
    }

    /// <summary>Names a handler that is a method or a lambda: by the method that it is, or that it stands in.</summary>
    internal static string Name(Delegate handler) => handler.Method.DeclaringType is { } owner
        ? Name(owner, handler.Method.Name)
        : handler.Method.Name;

    private static string Name(Type owner, string name)
    {
        // The compiler puts lambdas into nested types, and what it took a name from in angle brackets, perhaps twice.
        while (owner.Name.StartsWith('<') && owner.DeclaringType is { } outer)
        {
            owner = outer;
        }
        string begin = name.TrimStart('<');
        int end = begin.IndexOf('>', StringComparison.Ordinal);
        string method = end < 0 ? begin : begin[..end];
        return method.Length == 0 ? owner.Name : $"{owner.Name}.{method}";
    }
}
