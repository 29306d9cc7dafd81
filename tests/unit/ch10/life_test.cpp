// 10.3, 10.4, 10.5: launched, waiting, started, ended. The kernel is asked in between.
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>

#include "cgroup_view.hpp"
#include "made_spec.hpp"
#include "sandbox.hpp"
#include "shared_value.hpp"
#include "story.hpp"
#include "tenon/container.hpp"
#include "tenon/error.hpp"
#include "tenon/hooks.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unix_socket.hpp"

namespace tenon::test {

namespace {

struct Place {
    TemporaryDirectory folder;
    ContainerRoot root = ContainerRoot::make((folder.path() / "root").native());

    NewContainer make(oci::Spec spec, const LaunchRequest& request, Begin begin) const {
        const MadeBundle bundle{std::move(spec)};
        return Container::create(root, request, bundle.open(), {}, begin);
    }
    Container create(oci::Spec spec) const {
        return make(std::move(spec), request_for("one"), Begin::AtGate).container;
    }
};

// One that runs, with a group in `above`.
Container start_in(const TestCgroup& above, const Place& place) {
    oci::Spec spec = plain_spec({"sleep", "100"});
    spec.linux->cgroups_path = above.proc_name() + "/one";
    Container made =
        place.make(std::move(spec), {.id = "one", .new_keyring = false}, Begin::AtGate).container;
    made.start();
    return made;
}

std::string program_of(pid_t pid) {
    std::string name;
    std::getline(std::ifstream{fmt::format("/proc/{}/comm", pid)}, name);
    return name;
}

// The shell that writes what it is told into a file, as a hook.
oci::Hook writes_to(const std::filesystem::path& file, const std::string& word) {
    return {.path = "/bin/sh",
            .args = {"sh", "-c", fmt::format("echo {} >> {}", word, file.native())},
            .env = {"PATH=/usr/bin:/bin"}};
}

std::string words_in(const std::filesystem::path& file) {
    std::string all;
    std::ifstream lines{file};
    for (std::string line; std::getline(lines, line);) all += (all.empty() ? "" : " ") + line;
    return all;
}

void wait_for_end(pid_t pid) {
    // A container that was let go is reaped by somebody else, or, as our child, by us.
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
}

template <typename Error>
std::string failure_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

// What a container sees of itself, right before its program.
struct Seen {
    char stages[64];
    char hostname[65];
    char folder[64];
    rlim_t most_files;
    int message_limit;
    bool loopback_up;
    bool leads_session;
};

bool is_up(const char* device) {
    ifaddrs* all = nullptr;
    check(::getifaddrs(&all), "getifaddrs");
    bool up = false;
    for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
        if (std::string_view{each->ifa_name} == device) up = (each->ifa_flags & IFF_UP) != 0;
    }
    ::freeifaddrs(all);
    return up;
}

class Looks : public LaunchExtension {
  public:
    void in_child(ChildStage stage, const LaunchPlan&) override {
        const char* const name = stage == ChildStage::BeforePivot  ? "pivot "
                                 : stage == ChildStage::BeforeDrop ? "drop "
                                                                   : "exec ";
        std::strncat(seen_->stages, name, sizeof(seen_->stages) - std::strlen(seen_->stages) - 1);
        if (stage == ChildStage::BeforeExec) look_around();
    }
    [[nodiscard]] const Seen& seen() const { return *seen_; }

  private:
    void look_around() const {
        check(::gethostname(seen_->hostname, sizeof(seen_->hostname) - 1), "gethostname");
        check(::getcwd(seen_->folder, sizeof(seen_->folder)) == nullptr ? -1 : 0, "getcwd");
        rlimit files{};
        check(::getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
        seen_->most_files = files.rlim_cur;
        std::ifstream{"/proc/sys/kernel/msgmax"} >> seen_->message_limit;
        seen_->loopback_up = is_up("lo");
        seen_->leads_session = ::getsid(0) == ::getpid();
    }
    SharedValue<Seen> seen_;
};

// Nothing where nobody is behind the gate any more.
std::optional<SyncMessage> answer_at_gate(FdRef folder) {
    try {
        const SyncSocket starter = SyncSocket::over(connect_to(folder, gate_name, SOCK_SEQPACKET));
        starter.send(SyncKind::Go);
        return starter.receive();
    } catch (const SysError&) {
        return std::nullopt;
    }
}

}  // namespace

TEST_CASE("launch returns a child that waits in its namespaces",
          "[10.3][uses-10.2][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const MadeBundle made{plain_spec({"sleep", "100"})};
    const Bundle bundle = made.open();
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), {});
    Launched launched = launch(plan, {.bundle = bundle});
    const pid_t pid = launched.child.pid();
    const bool apart = namespace_inode(pid, "pid") != namespace_inode("self", "pid");
    TENON_EXPECT(apart, "a pid namespace of its own", std::string{"ours"});
    const std::string program = program_of(pid);
    fact("program_runs_already", program == "sleep");
    TENON_EXPECT(program != "sleep", "not its program yet", program);
}

TEST_CASE("launch runs the hooks of outside before the root changes",
          "[10.3][uses-10.2][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory scratch;
    const auto file = scratch.path() / "order";
    oci::Spec spec = plain_spec({"true"});
    spec.hooks = oci::Hooks{.prestart = {writes_to(file, "prestart")},
                            .create_runtime = {writes_to(file, "createRuntime")}};
    const MadeBundle made{std::move(spec)};
    const Bundle bundle = made.open();
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), {});
    const Launched launched = launch(plan, {.bundle = bundle, .state = [](std::string_view, pid_t) {
                                                return std::string{"{}"};
                                            }});
    const std::string order = words_in(file);
    fact("hooks_out_of_order", order != "prestart createRuntime");
    TENON_EXPECT(order == "prestart createRuntime", "prestart createRuntime", order);
}

TEST_CASE("launch ends the child when a hook fails",
          "[10.3][uses-10.2][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    oci::Spec spec = plain_spec({"true"});
    spec.hooks = oci::Hooks{.create_runtime = {{.path = "/bin/false", .args = {"false"}}}};
    const MadeBundle made{std::move(spec)};
    const Bundle bundle = made.open();
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), {});
    pid_t child = 0;
    const std::string said = failure_of<HookFailed>([&] {
        launch(plan, {.bundle = bundle, .state = [&](std::string_view, pid_t pid) {
                          child = pid;
                          return std::string{"{}"};
                      }});
    });
    TENON_EXPECT(said.find("createRuntime hook #0") != std::string::npos, "the hook is named",
                 said);
    const bool gone = ::kill(child, 0) < 0 && errno == ESRCH;
    fact("child_left", !gone);
    TENON_EXPECT(child > 0 && gone, "the child is gone, and reaped", fmt::format("pid {}", child));
}

TEST_CASE("run_container tells the parent what it cannot do",
          "[10.4][uses-10.2][uses-10.3]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const MadeBundle made{plain_spec({"no-such-program-" + random_name(8)})};
    const Bundle bundle = made.open();
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), {});
    const std::string said = failure_of<SysError>([&] { launch(plan, {.bundle = bundle}); });
    fact("missing_program_found_late", said == "no error");
    TENON_EXPECT(said.find("ENOENT") != std::string::npos, "execve ...: ENOENT, before the start",
                 said);
}

TEST_CASE("run_container applies the config before it waits",
          "[10.4][uses-10.2][uses-10.3]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    oci::Spec spec = plain_spec({"sleep", "100"});
    spec.process->no_new_privileges = true;
    spec.process->capabilities =
        oci::Capabilities{.bounding = {"CAP_CHOWN"}, .permitted = {"CAP_CHOWN"}};
    const MadeBundle made{std::move(spec)};
    const Bundle bundle = made.open();
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), {});
    const Launched launched = launch(plan, {.bundle = bundle});
    const pid_t pid = launched.child.pid();
    const std::string bounding = status_field(pid, "CapBnd");
    TENON_EXPECT(bounding == "0000000000000001", "bounding set: CAP_CHOWN", bounding);
    TENON_EXPECT(status_field(pid, "NoNewPrivs") == "1", "no_new_privs", std::string{"not set"});
    const std::vector<MountInfo> mounts = mounts_of(pid);
    TENON_EXPECT(has_mount_at(mounts, "/proc"), "its own /proc", std::string{"none"});
}

TEST_CASE("run_container does all that the config asks for, and asks extensions on the way",
          "[10.4][uses-10.2][uses-10.3]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    oci::Spec spec = plain_spec({"true"});
    spec.hostname = "h" + random_name(8);
    spec.process->cwd = "/usr";
    spec.process->rlimits = {{.type = "RLIMIT_NOFILE", .hard = 64, .soft = 64}};
    spec.linux->namespaces.push_back({.type = "network"});
    spec.linux->sysctl = {{"kernel.msgmax", "9999"}};
    const MadeBundle made{spec};
    const Bundle bundle = made.open();
    Looks looks;
    LaunchExtension* const all[]{&looks};
    LaunchPlan plan =
        plan_launch(bundle.spec, request_for("one"), own_surroundings(bundle.spec), all);
    Launched launched = launch(plan, {.bundle = bundle, .extensions = all});
    launched.child.socket().send(SyncKind::Go, "now");
    launched.child.wait_for_exec();
    const Seen& seen = looks.seen();
    const std::string stages = seen.stages;
    TENON_EXPECT(stages == "pivot drop exec ", "before pivot_root, the drop of rights, and exec",
                 stages);
    TENON_EXPECT(seen.hostname == spec.hostname, "host name " + spec.hostname,
                 std::string{seen.hostname});
    TENON_EXPECT(seen.folder == spec.process->cwd, "in /usr", std::string{seen.folder});
    TENON_EXPECT(seen.most_files == 64, "at most 64 open files",
                 fmt::format("{}", seen.most_files));
    TENON_EXPECT(seen.message_limit == 9999, "kernel.msgmax = 9999",
                 fmt::format("{}", seen.message_limit));
    TENON_EXPECT(seen.loopback_up, "lo is up", std::string{"it is down"});
    TENON_EXPECT(seen.leads_session, "a session of its own", std::string{"its starter's"});
}

TEST_CASE("wait_for_start waits for a word, and goes on with whoever said it", "[10.4]") {
    const TemporaryDirectory scratch;
    const UniqueFd folder =
        sys::openat(FdRef::working_directory(), scratch.path(), O_RDONLY | O_DIRECTORY);
    UniqueFd gate = listen_at(folder, gate_name, SOCK_SEQPACKET);
    auto [ours, theirs] = SyncSocket::make_pair();
    const pid_t child = ::fork();
    if (child == 0) {
        ours.close();
        try {
            wait_for_start(gate, theirs);
            theirs.send(SyncKind::Ready, "through");
        } catch (...) {
            theirs.send_failure(std::current_exception());
        }
        ::_exit(0);
    }
    theirs.close();
    gate.reset();  // the child's alone: with it goes who waits for an answer
    ours.expect(SyncKind::Ready);
    ours.send(SyncKind::Go, "gate");
    step("somebody comes and goes without a word");
    SyncSocket::over(connect_to(folder, gate_name, SOCK_SEQPACKET)).close();
    step("somebody says Go");
    const std::optional<SyncMessage> answer = answer_at_gate(folder);
    const bool through = answer && answer->text == "through";
    fact("visitor_let_it_through", !through);
    TENON_EXPECT(through, "it goes on, and speaks to its starter",
                 answer ? answer->text : std::string{"the end of the connection"});
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("wait_for_start ends with a parent that ends before its word", "[10.4]") {
    auto [ours, theirs] = SyncSocket::make_pair();
    const pid_t child = ::fork();
    if (child == 0) {
        ours.close();
        try {
            wait_for_start({}, theirs);
        } catch (const SysError&) {
            ::_exit(7);
        } catch (...) {
            theirs.send_failure(std::current_exception());
        }
        ::_exit(0);
    }
    theirs.close();
    ours.expect(SyncKind::Ready);
    ours.close();
    int status = 0;
    ::waitpid(child, &status, 0);
    const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 7;
    fact("orphan_goes_on", !ended);
    TENON_EXPECT(ended, "it fails: nobody owns it", fmt::format("wait status {:#x}", status));
}

TEST_CASE("a container is created, started, killed and deleted",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    place.create(plain_spec({"sleep", "100"}));
    const Container container = Container::load(place.root, "one");
    const pid_t pid = container.record().pid;
    TENON_EXPECT(container.status() == ContainerStatus::Created, "created",
                 std::string{status_name(container.status())});
    container.start();
    TENON_EXPECT(program_of(pid) == "sleep", "it runs sleep when start returns", program_of(pid));
    TENON_EXPECT(container.status() == ContainerStatus::Running, "running",
                 std::string{status_name(container.status())});
    const std::string again = failure_of<ContainerError>([&] { container.start(); });
    fact("started_twice", again == "no error");
    TENON_EXPECT(again == "cannot start an already running container", "a second start is refused",
                 again);
    const std::string early = failure_of<ContainerError>([&] { container.remove(false); });
    TENON_EXPECT(early != "no error", "what runs is not deleted", early);
    container.kill(SIGKILL, false);
    wait_for_end(pid);
    const std::string late = failure_of<ContainerError>([&] { container.kill(SIGTERM, false); });
    TENON_EXPECT(late == "container not running", "container not running", late);
    container.remove(false);
    TENON_EXPECT(place.root.ids().empty(), "nothing is left",
                 fmt::format("{} folders", place.root.ids().size()));
}

TEST_CASE("a container that cannot be made leaves nothing",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const std::string said =
        failure_of<SysError>([&] { place.create(plain_spec({"/no/such/" + random_name(8)})); });
    TENON_EXPECT(said != "no error", "an error", said);
    fact("folder_left", !place.root.ids().empty());
    TENON_EXPECT(place.root.ids().empty(), "nothing is left",
                 fmt::format("{} folders", place.root.ids().size()));
}

TEST_CASE("a name is taken once",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const Container first = place.create(plain_spec({"sleep", "100"}));
    const std::string said =
        failure_of<ContainerError>([&] { place.create(plain_spec({"true"})); });
    TENON_EXPECT(said == "container with given ID already exists", "it exists already", said);
    fact("first_was_removed", place.root.ids().empty());
    TENON_EXPECT(first.status() == ContainerStatus::Created, "the first one is as it was",
                 std::string{status_name(first.status())});
    first.remove(true);
    wait_for_end(first.record().pid);
}

TEST_CASE("all hooks run, in the specification's order",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const TemporaryDirectory scratch;
    const auto file = scratch.path() / "order";
    const auto hook = [&](const char* name) {
        return std::vector<oci::Hook>{writes_to(file, name)};
    };
    oci::Spec spec = plain_spec({"sleep", "100"});
    spec.hooks = oci::Hooks{.prestart = hook("1"),
                            .create_runtime = hook("2"),
                            .create_container = hook("3"),
                            .start_container = {},
                            .poststart = hook("5"),
                            .poststop = hook("6")};
    const Container container = place.create(std::move(spec));
    TENON_EXPECT(words_in(file) == "1 2 3", "1 2 3 when it is created", words_in(file));
    container.start();
    TENON_EXPECT(words_in(file) == "1 2 3 5", "1 2 3 5 when it is started", words_in(file));
    container.remove(true);
    fact("poststop_missing", words_in(file) != "1 2 3 5 6");
    TENON_EXPECT(words_in(file) == "1 2 3 5 6", "1 2 3 5 6 in the end", words_in(file));
    wait_for_end(container.record().pid);
}

TEST_CASE("a container whose poststart hook fails is ended",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    oci::Spec spec = plain_spec({"sleep", "100"});
    spec.hooks = oci::Hooks{.poststart = {{.path = "/bin/false", .args = {"false"}}}};
    const Container container = place.create(std::move(spec));
    const std::string said = failure_of<HookFailed>([&] { container.start(); });
    TENON_EXPECT(said.find("poststart") != std::string::npos, "the hook is named", said);
    TENON_EXPECT(container.status() == ContainerStatus::Stopped, "stopped",
                 std::string{status_name(container.status())});
    container.remove(false);
    wait_for_end(container.record().pid);
}

TEST_CASE("run starts what it has made itself, and is told how it ends",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    const TemporaryDirectory scratch;
    const auto file = scratch.path() / "heard";
    oci::Spec spec = plain_spec({"sh", "-c", "exit 7"});
    spec.hooks = oci::Hooks{.poststart = {writes_to(file, "poststart")}};
    NewContainer made = place.make(std::move(spec), request_for("one"), Begin::AtOnce);
    made.container.start_now(made.child);
    fact("poststart_missing", words_in(file) != "poststart");
    TENON_EXPECT(words_in(file) == "poststart", "the poststart hook has run", words_in(file));
    const int code = made.child.wait().shell_code();
    TENON_EXPECT(code == 7, "exit code 7", fmt::format("{}", code));
    made.container.remove(false);
    TENON_EXPECT(place.root.ids().empty(), "nothing is left",
                 fmt::format("{} folders", place.root.ids().size()));
}

TEST_CASE("pause stops all of the group, and resume lets it go on",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-03.2][uses-03.3][uses-03.5][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Place place;
    const Container container = start_in(above, place);
    const auto frozen = [&] { return counter_in(above.path() / "one/cgroup.events", "frozen"); };
    container.pause();
    TENON_EXPECT(frozen() == 1 && container.status() == ContainerStatus::Paused, "frozen, paused",
                 std::string{status_name(container.status())});
    const std::string twice = failure_of<ContainerError>([&] { container.pause(); });
    TENON_EXPECT(twice == "container not running", "who is paused is not paused again", twice);
    container.resume();
    TENON_EXPECT(frozen() == 0 && container.status() == ContainerStatus::Running,
                 "not frozen, running", std::string{status_name(container.status())});
    const std::string awake = failure_of<ContainerError>([&] { container.resume(); });
    TENON_EXPECT(awake == "container not paused", "who runs is not resumed", awake);
    container.remove(true);
    wait_for_end(container.record().pid);
    TENON_EXPECT(!std::filesystem::exists(above.path() / "one"), "the group is gone",
                 std::string{"it is there"});
}

TEST_CASE("kill of all reaches whoever is in the group, also when the first process has ended",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-03.2][uses-03.3][uses-03.5][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Place place;
    const Container container = start_in(above, place);
    Member other(above.path() / "one");
    container.kill(SIGKILL, false);
    wait_for_end(container.record().pid);
    const std::string said = failure_of<ContainerError>([&] { container.kill(SIGUSR1, true); });
    const bool reached = said == "no error" && sys::poll_for_input(sys::pidfd_open(other.pid()),
                                                                   std::chrono::seconds{20});
    fact("others_not_reached", !reached);
    TENON_EXPECT(reached && other.wait().signal() == SIGUSR1, "the other one ended by SIGUSR1",
                 said == "no error" ? "it did not" : said);
    container.remove(false);
}

TEST_CASE("what the program's start fails with is said by start",
          "[10.5][uses-10.1][uses-10.2][uses-10.3][uses-10.4]"
          "[uses-01.2][uses-02.1][uses-06.3][uses-08.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Place place;
    oci::Spec spec = plain_spec({"sleep", "100"});
    spec.hooks = oci::Hooks{.start_container = {{.path = "/bin/false", .args = {"false"}}}};
    const Container container = place.create(std::move(spec));
    const std::string said = failure_of<std::runtime_error>([&] { container.start(); });
    fact("start_says_nothing", said == "no error");
    TENON_EXPECT(said.find("startContainer hook #0") != std::string::npos, "the hook is named",
                 said);
    wait_for_end(container.record().pid);
    TENON_EXPECT(container.status() == ContainerStatus::Stopped, "stopped",
                 std::string{status_name(container.status())});
    container.remove(false);
}

}  // namespace tenon::test
