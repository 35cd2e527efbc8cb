using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Switchboard.Analyzers;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The compiler warns of waits that never end, and of nothing else.</summary>
public sealed class AnalyzerTests
{
    private const int Limit = 60_000;

    [Theory(Timeout = Limit)]
    [InlineData("int count = connection.ReadAsync(buffer).AsTask().Result;", "ReadAsync")]
    [InlineData("connection.WriteAsync(buffer).AsTask().Wait();", "WriteAsync")]
    [InlineData("connection.WriteAsync(buffer).AsTask().Wait(1000);", "WriteAsync")]
    [InlineData("connection.ReadMessageAsync(Framing.Line).AsTask().GetAwaiter().GetResult();", "ReadMessageAsync")]
    [InlineData("connection.CloseOutputAsync().AsTask().GetAwaiter().GetResult();", "CloseOutputAsync")]
    public async Task A_wait_for_the_task_of_an_operation_is_warned_of(string statement, string method)
    {
        Diagnostic warning = Assert.Single(await AnalyzeAsync(statement));
        Assert.Equal("SWB0001", warning.Id);
        Assert.Equal(DiagnosticSeverity.Warning, warning.Severity);
        Assert.StartsWith($"'{method}' is completed by the thread that waits here", warning.GetMessage(null));
    }

    [Theory(Timeout = Limit)]
    [InlineData("int count = await connection.ReadAsync(buffer);")]
    [InlineData("int count = await connection.ReadAsync(buffer).AsTask();")]
    [InlineData("connection.WriteAsync(buffer).GetAwaiter().GetResult();")]
    [InlineData("await Task.WhenAny(connection.ReadAsync(buffer).AsTask(), Task.Delay(1));")]
    [InlineData("int count = new ValueTask<int>(1).AsTask().Result;")]
    [InlineData("int count = System.IO.Stream.Null.ReadAsync(buffer).AsTask().Result;")]
    public async Task Other_waits_are_not(string statement) => Assert.Empty(await AnalyzeAsync(statement));

    private static async Task<ImmutableArray<Diagnostic>> AnalyzeAsync(string statement)
    {
        string source = $$"""
            using System;
            using System.Threading.Tasks;
            using Switchboard.Servers;
            class Handler
            {
                async Task HandleAsync(Connection connection, byte[] buffer)
                {
                    {{statement}}
                    await Task.Yield();
                }
            }
            """;
        var compilation = CSharpCompilation.Create("Sample", [CSharpSyntaxTree.ParseText(source)],
            [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':').Select(path => MetadataReference.CreateFromFile(path))],
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        Assert.Empty(compilation.GetDiagnostics(TestContext.Current.CancellationToken).Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error));
        return await compilation.WithAnalyzers([new BlockedTaskAnalyzer()]).GetAnalyzerDiagnosticsAsync(TestContext.Current.CancellationToken);
    }
}
