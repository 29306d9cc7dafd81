// NOTIFY_SOCKET: what of a container's message is for the manager.
#include "notify_socket.hpp"

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"

namespace tenon::test {

TEST_CASE("of a message, the line that says READY is taken") {
    CHECK(ext::ready_line("READY=1") == "READY=1");
    CHECK(ext::ready_line("STATUS=up\nREADY=1\nMAINPID=1\n") == "READY=1");
    CHECK(ext::ready_line("STATUS=READY=1").empty());
    CHECK(ext::ready_line("\n\n").empty());
    CHECK(ext::ready_line("").empty());
    CHECK(ext::ready_line(std::string_view{"\0READY=1", 8}).empty());
}

TEST_CASE("where nobody manages the caller there is nothing between") {
    const TemporaryDirectory root;
    CHECK(!ext::NotifyProxy::open(root.path().native(), "one", ""));
    CHECK(!ext::NotifyProxy::open(root.path().native(), "one", "@somebody"));
}

}  // namespace tenon::test
