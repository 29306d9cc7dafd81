// delete: what create made goes. By force it is no error that there is nothing.
#include "intel_rdt.hpp"
#include "systemd_group.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

// What extensions have left on the host. Noted in the container's folder, which goes first: until
// then it may be refused.
struct Remains {
    std::vector<std::string> classes;
    std::optional<ext::NotedUnit> unit;
};

Remains remains_of(const Global& global, const std::string& id) {
    const std::string folder = global.root + "/" + id;
    return {ext::classes_of(folder), ext::noted_unit(folder)};
}

void remove_all(const Remains& remains) {
    if (!remains.classes.empty()) {
        ext::remove_classes(ext::open_resctrl().tree, remains.classes);
    }
    if (remains.unit) ext::stop_unit(*remains.unit);
}

}  // namespace

void remove_container(const Global& global, const Container& container, bool by_force) {
    const Remains remains = remains_of(global, container.record().id);
    container.remove(by_force);
    remove_all(remains);
}

void remove_ended(const Global& global, const Container& container, bool by_force) {
    try {
        remove_container(global, container, by_force);
    } catch (const NoContainer&) {
        return;
    }
}

namespace {

// Of a container whose making was killed, or that somebody else removes now, or makes.
void remove_whatever_is_there(const Global& global, const std::string& id) {
    const std::optional<ContainerRoot> root = ContainerRoot::open(global.root);
    if (!root) return;
    const Remains remains = remains_of(global, id);
    try {
        // A record that there is by now has been written while we waited for the lock.
        if (!remove_remains(*root, id)) remove_container(global, load(global, id), true);
    } catch (const NoContainer&) {
        return;  // somebody else was first
    }
    remove_all(remains);
}

}  // namespace

int remove(const Global& global, Words words) {
    bool by_force = false;
    const std::vector<Option> table{
        flag("force", by_force, "end it first; what is not there is no error", 'f')};
    const std::string id = only_id("delete", take_options(words, table, Where::Anywhere));
    try {
        remove_container(global, load(global, id), by_force);
    } catch (const NoContainer&) {
        if (!by_force) throw;
        remove_whatever_is_there(global, id);
    }
    return 0;
}

}  // namespace tenon::cli
