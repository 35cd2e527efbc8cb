using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Switchboard.Hosting.Tests")]
