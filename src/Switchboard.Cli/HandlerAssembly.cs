using System.Reflection;
using System.Runtime.Loader;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>A user's assembly, loaded with its dependencies.</summary>
internal sealed class HandlerAssembly(string path)
{
    private static readonly Type[] _kinds = [typeof(CallHandler), typeof(DatagramRequestHandler), typeof(DatagramSessionHandler)];

    /// <summary>Finds a handler.</summary>
    /// <param name="name">Its name with or without its namespace; null for the only one.</param>
    /// <exception cref="UnusableException">The assembly can't be loaded, or which handler is meant can't be said.</exception>
    internal Type Find(string? name)
    {
        Type[] handlers = [.. Types().Where(static type => type is { IsAbstract: false, ContainsGenericParameters: false } && _kinds.Any(kind => kind.IsAssignableFrom(type))).OrderBy(static type => type.FullName, StringComparer.Ordinal)];
        string list = handlers.Length == 0
            ? "It has no class that derives from RequestHandler, BlockingRequestHandler, DatagramRequestHandler or DatagramSessionHandler."
            : $"Its handlers are {string.Join(", ", handlers.Select(static type => type.FullName))}.";
        Type[] meant = name is null ? handlers : [.. handlers.Where(type => type.FullName == name || type.Name == name)];
        return meant switch
        {
            [{ } handler] when handler.GetConstructor(Type.EmptyTypes) is not null => handler,
            [{ } handler] => throw new UnusableException($"{handler.FullName} has no public constructor without parameters, so it can't be made here. Add one, or serve it from a program that gives it what it needs."),
            [] when name is null || handlers.Length == 0 => throw new UnusableException($"{path} has nothing to serve. {list}"),
            [] => throw new UnusableException($"{path} has no handler '{name}'. {list}"),
            _ => throw new UnusableException($"{path} has several handlers: write {Path.GetFileName(path)}:HANDLER. {list}"),
        };
    }

    private Type[] Types()
    {
        try
        {
            return new Context(path).LoadFromAssemblyPath(path).GetTypes();
        }
        catch (BadImageFormatException exception)
        {
            throw new UnusableException($"{path} is not a .NET assembly. Give the path of the .dll that the build wrote.", exception);
        }
        catch (ReflectionTypeLoadException exception)
        {
            string why = exception.LoaderExceptions.FirstOrDefault(static inner => inner is not null)?.Message ?? exception.Message;
            throw new UnusableException($"{path} can't be loaded: {why} Give the path that the build or publish wrote, with its dependencies and its .deps.json beside it.", exception);
        }
    }

    /// <summary>The user's assembly sees its own dependencies, and this tool's Switchboard, so that its handlers are handlers
    /// here too.</summary>
    private sealed class Context(string path) : AssemblyLoadContext(Path.GetFileNameWithoutExtension(path))
    {
        private static readonly HashSet<string> _shared = Shared();

        private readonly AssemblyDependencyResolver _resolver = new(path);

        protected override Assembly? Load(AssemblyName assemblyName) =>
            !_shared.Contains(assemblyName.Name!) && _resolver.ResolveAssemblyToPath(assemblyName) is { } found ? LoadFromAssemblyPath(found) : null;

        protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
            _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } found ? LoadUnmanagedDllFromPath(found) : 0;

        /// <summary>What a handler's face is made of: the servers' assembly and all that it refers to.</summary>
        private static HashSet<string> Shared()
        {
            var names = new HashSet<string>(StringComparer.Ordinal);
            var left = new Stack<Assembly>([typeof(CallHandler).Assembly]);
            while (left.TryPop(out Assembly? assembly))
            {
                if (names.Add(assembly.GetName().Name!))
                {
                    foreach (AssemblyName name in assembly.GetReferencedAssemblies().Where(name => !names.Contains(name.Name!)))
                    {
                        left.Push(Assembly.Load(name));
                    }
                }
            }
            return names;
        }
    }
}
