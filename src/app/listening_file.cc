#include "app/listening_file.h"

namespace tidemill::app {

ListeningFile::ListeningFile(world::Disk& disk, const std::string& dir) : disk_(disk), path_(dir + "/listening.json") { withdraw(); }
ListeningFile::~ListeningFile() { withdraw(); }

Result<void> ListeningFile::publish(const std::map<std::string, world::Address>& addresses) {
  std::string text = "{";
  for (auto& [name, address] : addresses) text += (text.size() > 1 ? ",\"" : "\"") + name + "\":\"" + address.text() + "\"";
  return world::replace_file(disk_, path_, text + "}\n");
}

void ListeningFile::withdraw() {
  if (auto there = disk_.exists(path_); !there || !*there) return;
  // A file that cannot be removed misleads nobody for long: the addresses in it do not answer.
  auto ignored = disk_.remove(path_);
  (void)ignored;
}

}  // namespace tidemill::app
