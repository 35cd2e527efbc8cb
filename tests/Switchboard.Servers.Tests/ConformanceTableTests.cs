using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

public sealed class ConformanceTableTests
{
    [Fact]
    public void The_table_of_socketserver_names_only_tests_that_exist() =>
        ConformanceTable.AssertNamesTestsOf(typeof(ConformanceTableTests).Assembly, "socketserver", more: 10);
}
