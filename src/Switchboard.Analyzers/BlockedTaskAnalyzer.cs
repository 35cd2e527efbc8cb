using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace Switchboard.Analyzers;

/// <summary>
/// Warns of a blocking wait for an operation of Switchboard that was made a task: <c>ReadAsync(...).AsTask().Result</c>,
/// <c>.Wait()</c>, <c>.GetAwaiter().GetResult()</c>. The task is completed by the thread that waits for it, so a handler
/// that does this hangs. The <c>ValueTask</c> itself can be waited for: it runs the call's own loop meanwhile.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class BlockedTaskAnalyzer : DiagnosticAnalyzer
{
    private static readonly DiagnosticDescriptor _rule = new("SWB0001", "A blocking wait for a connection's operation as a task hangs",
        "'{0}' is completed by the thread that waits here, so the wait never ends in a handler; await it, or leave out AsTask",
        "Reliability", DiagnosticSeverity.Warning, isEnabledByDefault: true);

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics => ImmutableArray.Create(_rule);

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterOperationAction(Check, OperationKind.Invocation);
    }

    private static void Check(OperationAnalysisContext context)
    {
        var asTask = (IInvocationOperation)context.Operation;
        if (asTask.TargetMethod is { Name: "AsTask", ContainingType.Name: "ValueTask" }
            && Origin(asTask.Instance) is { } origin
            && IsWaitedFor(asTask))
        {
            context.ReportDiagnostic(Diagnostic.Create(_rule, asTask.Syntax.GetLocation(), origin.Name));
        }
    }

    /// <summary>The public method of Switchboard that began the operation; null for anything else.</summary>
    private static IMethodSymbol? Origin(IOperation? operation) =>
        operation is IInvocationOperation { TargetMethod: { ContainingType.DeclaredAccessibility: Accessibility.Public } method } && IsOurs(method.ContainingNamespace) ? method : null;

    private static bool IsOurs(INamespaceSymbol? space)
    {
        while (space is { ContainingNamespace.IsGlobalNamespace: false })
        {
            space = space.ContainingNamespace;
        }
        return space?.Name == "Switchboard";
    }

    private static bool IsWaitedFor(IOperation task) => task.Parent switch
    {
        IPropertyReferenceOperation { Property.Name: "Result" } => true,
        IInvocationOperation { TargetMethod.Name: "Wait" } => true,
        IInvocationOperation { TargetMethod.Name: "GetAwaiter" } awaiter => awaiter.Parent is IInvocationOperation { TargetMethod.Name: "GetResult" },
        _ => false,
    };
}
