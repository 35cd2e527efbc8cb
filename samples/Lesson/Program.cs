using Lesson;

return args switch
{
    ["threads", .. string[] rest] => Threads.Run(rest),
    ["thread-lock", .. string[] rest] => ThreadLock.Run(rest),
    ["thread-event", .. string[] rest] => ThreadEvent.Run(rest),
    _ => 2,
};
