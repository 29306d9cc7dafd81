// What criu is asked and answers, as bytes; and which mounts of a container are the host's.
#include "criu_request.hpp"
#include "criu_wire.hpp"
#include "outside_mounts.hpp"
#include "story.hpp"

namespace tenon::test {

using ext::CriuAnswer;
using ext::CriuTask;
using ext::OutsideMount;

TEST_CASE("fields come back as they were written") {
    ext::WireWriter writer;
    writer.number(1, 300);
    writer.flag(2, false);
    writer.text(63, "label");
    writer.number(16, UINT64_MAX);
    const auto fields = ext::read_wire(writer.bytes());
    REQUIRE(fields.size() == 3);
    CHECK((fields[0].number == 1 && fields[0].value == 300));
    CHECK((fields[1].number == 63 && fields[1].text == "label"));
    CHECK((fields[2].number == 16 && fields[2].value == UINT64_MAX));
}

TEST_CASE("what ends in the middle is no answer") {
    for (const std::string_view bytes : {"\x08",
                                         "\x12\x05"
                                         "ab",
                                         "\x0b", "\x80"}) {
        CHECK_THROWS_AS(ext::read_wire(bytes), std::invalid_argument);
    }
    const std::string endless(11, '\xff');
    CHECK_THROWS_AS(ext::read_wire(endless), std::invalid_argument);
}

TEST_CASE("a notification says who and when") {
    ext::WireWriter notice;
    notice.text(1, "post-restore");
    notice.number(2, 4711);
    ext::WireWriter message;
    message.number(1, 6);
    message.number(2, 1);
    message.text(5, notice.bytes());
    const CriuAnswer answer = ext::decoded_answer(message.bytes());
    CHECK((answer.task == CriuTask::Notify && answer.success && answer.pid == 4711));
    CHECK(answer.script == "post-restore");
}

namespace {

constexpr std::string_view mountinfo =
    "20 1 254:0 /b/rootfs / rw - ext4 /dev/vda rw\n"
    "21 20 0:40 / /proc rw,nosuid - proc proc rw\n"
    "22 21 0:40 /sys /proc/sys ro - proc proc rw\n"
    "23 21 0:5 /null /proc/keys ro,nosuid - devtmpfs dev rw\n"
    "24 21 0:41 / /proc/acpi ro - tmpfs none rw\n"
    "25 20 254:0 /srv/a\\040b /real/data ro - ext4 /dev/vda rw\n"
    "26 25 0:42 / /real/data/sub rw - tmpfs t rw\n";

MountPlan plan() {
    return {.steps = {{.kind = MountKind::Filesystem, .target = "/proc", .fstype = "proc"},
                      {.kind = MountKind::Bind, .source = "/srv/a b", .target = "/data"},
                      {.kind = MountKind::Mask, .target = "/proc/keys"},
                      {.kind = MountKind::Mask, .target = "/proc/acpi"},
                      {.kind = MountKind::ReadonlyPath, .target = "/proc/sys"}}};
}

}  // namespace

TEST_CASE("the host's are binds with what is below them, and covers of files") {
    const auto outside = ext::find_outside_mounts(
        parse_mountinfo(mountinfo), plan(),
        [](const std::string& target) { return target == "/data" ? "/real/data" : target; });
    CHECK(outside == std::vector<OutsideMount>{{"/proc/keys", "/proc/keys", "", "ro,nosuid"},
                                               {"/real/data", "/data", "", "ro"},
                                               {"/real/data/sub", "/data", "/sub", "rw"}});
    CHECK(ext::source_of(outside[0], plan(), "/b") == "/dev/null");
    CHECK(ext::source_of(outside[2], plan(), "/b") == "/srv/a b/sub");
    CHECK_THROWS_AS(ext::source_of({"/x", "/x", "", ""}, plan(), "/b"), std::invalid_argument);
}

}  // namespace tenon::test
