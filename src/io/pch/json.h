// Precompiled where b_pch is on (tools/try): most files here include these.
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <string>
#include <vector>
