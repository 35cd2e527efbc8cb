using Switchboard.Tests;

namespace Switchboard.Polling.Tests;

public sealed class ConformanceTableTests
{
    [Fact]
    public void The_table_of_select_names_only_tests_that_exist() =>
        ConformanceTable.AssertNamesTestsOf(typeof(ConformanceTableTests).Assembly, "select", more: 50);
}
