/* What the servers of an estate are made of: words, versions, compiler flags. */
enum { FEW = 20, WORDS = 40, DAY = 86400 };

static const char *const DATABASES[WORDS] = {
    "accounts", "analytics", "archive", "audit", "billing", "booking", "catalog", "checkout", "claims", "content",
    "crm", "customers", "delivery", "devices", "documents", "events", "feedback", "fleet", "forum", "gateway",
    "identity", "inventory", "invoices", "jobs", "ledger", "library", "logistics", "mail", "members", "metrics",
    "notify", "orders", "payments", "pricing", "reports", "sensors", "shop", "support", "tickets", "warehouse" };
static const char *const COLLECTIONS[WORDS] = {
    "addresses", "alerts", "assets", "batches", "carts", "categories", "changes", "comments", "contacts", "contracts",
    "counters", "coupons", "drafts", "emails", "entries", "exports", "files", "groups", "history", "images",
    "imports", "items", "labels", "locations", "logs", "messages", "notes", "offers", "payments", "permissions",
    "profiles", "projects", "queue", "ratings", "requests", "sessions", "settings", "tasks", "tokens", "users" };
static const char *const ENDS[8] = { "", "", "_prod", "_staging", "_v2", "_eu", "-test", "_2024" };
static const char *const SITES[4] = { "ams.corp.example", "db.example", "fra1.prod.internal.example", "lab.example" };
static const struct { const char *text; int parts[3]; int wire; } VERSIONS[] = {
    { "4.4.29", { 4, 4, 29 }, 9 },  { "5.0.14", { 5, 0, 14 }, 13 }, { "5.0.31", { 5, 0, 31 }, 13 }, { "6.0.4", { 6, 0, 4 }, 17 },
    { "6.0.19", { 6, 0, 19 }, 17 }, { "7.0.5", { 7, 0, 5 }, 21 },   { "7.0.16", { 7, 0, 16 }, 21 }, { "8.0.4", { 8, 0, 4 }, 25 } };
static const char FLAGS[] =
    "-Werror -include mongo/platform/basic.h -ffp-contract=off -fasynchronous-unwind-tables -g2 -Wall -Wsign-compare "
    "-Wno-unknown-pragmas -Winvalid-pch -fno-omit-frame-pointer -fno-strict-aliasing -O2 -march=sandybridge "
    "-mtune=generic -mprefer-vector-width=128 -Wno-unused-local-typedefs -Wno-unused-function -Wno-deprecated-declarations "
    "-Wno-unused-const-variable -Wno-unused-but-set-variable -Wno-missing-braces -fstack-protector-strong -gdwarf-5 -MMD";
