// Precompiled where b_pch is on (tools/try): most files of the command include these.
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>
