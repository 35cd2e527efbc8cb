using Microsoft.Win32.SafeHandles;

namespace Switchboard.Linux;

/// <summary>Owns one descriptor and closes it once. Any descriptor: a socket, a pipe, an eventfd, an epoll instance.</summary>
public sealed class DescriptorHandle : SafeHandleMinusOneIsInvalid
{
    /// <summary>Makes a handle that holds no descriptor.</summary>
    public DescriptorHandle() : base(ownsHandle: true)
    {
    }

    /// <summary>Takes a descriptor.</summary>
    /// <param name="descriptor">The number.</param>
    /// <param name="ownsDescriptor">True to close it when this handle is disposed.</param>
    public DescriptorHandle(int descriptor, bool ownsDescriptor = true) : base(ownsDescriptor) => SetHandle(descriptor);

    /// <summary>The descriptor's number, -1 if there is none. It is valid as long as the handle is not disposed.</summary>
    public int Number => (int)handle;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => DescriptorCalls.CloseNumber((int)handle).Succeeded;
}
