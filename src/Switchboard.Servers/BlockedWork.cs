namespace Switchboard.Servers;

/// <summary>Names a piece of posted work: the async method whose rest it is.</summary>
internal static class BlockedWork
{
    internal static string? Describe(object work)
    {
        // The rest of an async method is posted as the MoveNext of its box, whose type says which state machine it holds:
        // a type that the compiler nests in the method's own, with the method's name in angle brackets.
        Type? machine = work is Delegate { Target: { } box }
            ? box.GetType().GenericTypeArguments.FirstOrDefault(type => type.Name.StartsWith('<'))
            : null;
        if (machine?.DeclaringType is not { } owner)
        {
            return null;
        }
        string method = machine.Name[1..Math.Max(1, machine.Name.IndexOf('>', StringComparison.Ordinal))];
        return method.Length == 0 ? owner.Name : $"{owner.Name}.{method}";
    }
}
