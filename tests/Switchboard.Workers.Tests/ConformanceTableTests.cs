using Switchboard.Tests;

namespace Switchboard.Workers.Tests;

public sealed class ConformanceTableTests
{
    [Fact]
    public void The_table_of_threading_names_only_tests_that_exist() =>
        ConformanceTable.AssertNamesTestsOf(typeof(ConformanceTableTests).Assembly, "threading", more: 50);
}
