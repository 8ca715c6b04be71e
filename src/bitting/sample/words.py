"""Word lists of our own, from which plausible names are drawn. Any likeness to real people or firms is chance."""

FIRST_NAMES = (
    "Ada", "Aiko", "Amara", "Anton", "Bela", "Bruno", "Carla", "Chidi", "Clara", "Dario", "Deniz", "Elena", "Emil",
    "Farah", "Finn", "Greta", "Hana", "Hugo", "Ida", "Ilan", "Jonas", "Juno", "Kaya", "Kofi", "Lena", "Leo", "Lin",
    "Mara", "Milo", "Nadia", "Nils", "Olga", "Omar", "Paula", "Pavel", "Quinn", "Rosa", "Ruben", "Sana", "Selma",
    "Tariq", "Tilda", "Uma", "Vera", "Viktor", "Wren", "Xenia", "Yara", "Yusuf", "Zoë",
)  # fmt: skip

LAST_NAMES = (
    "Abara", "Almeida", "Arendt", "Bakker", "Baumann", "Berglund", "Brandt", "Castro", "Cermak", "Cohen", "Dahl",
    "Demir", "Duarte", "Ekström", "Farkas", "Ferrari", "Fischer", "Garnier", "Haddad", "Hansen", "Horvat", "Ibarra",
    "Ishii", "Jansen", "Keller", "Kimura", "Kovács", "Kruse", "Lange", "Larsen", "Lindqvist", "Marchetti", "Meyer",
    "Moreau", "Müller", "Nakata", "Novak", "Okafor", "Olsen", "Petrov", "Quist", "Reyes", "Rossi", "Sato", "Schuster",
    "Silva", "Tanaka", "Varga", "Weiss", "Zimmer",
)  # fmt: skip

FIRM_WORDS = (
    "Amber", "Anchor", "Birch", "Blue Heron", "Brightwater", "Cedar", "Cobalt", "Copper", "Drift", "East Gate",
    "Ember", "Falcon", "Foxglove", "Granite", "Harbour", "Hazel", "Ironwood", "Juniper", "Kestrel", "Lantern", "Linden",
    "Marble", "Meadow", "Mill Lane", "North Star", "Oak & Ash", "Orchard", "Pebble", "Pine Ridge", "Quarry", "Raven",
    "River Bend", "Saffron", "Slate", "Stonebridge", "Tidal", "Timber", "Velvet", "Willow", "Windmill",
)  # fmt: skip

FIRM_KINDS = (
    "Analytics", "Bakery", "Bikes", "Books", "Ceramics", "Clinics", "Coffee", "Design", "Energy", "Farms", "Films",
    "Foods", "Furniture", "Gardens", "Hotels", "Instruments", "Labs", "Logistics", "Media", "Motors", "Optics",
    "Outdoor", "Paper", "Pharma", "Press", "Robotics", "Software", "Studio", "Textiles", "Travel",
)  # fmt: skip

TAGS = ("enterprise", "start-up", "public sector", "returning", "urgent", "price-sensitive", "pilot", "non-profit")

LEAD_NOTES = (
    "Asked for a demo next week.",
    "Compares us with two others.",
    "Budget is decided in spring.",
    "Prefers to be written to rather than called.",
    "Met at the fair, wants references.",
    "Needs a data processing agreement first.",
)

ORDER_NOTES = (
    "Deliver to the back entrance.",
    "Invoice in two parts.",
    "Gift wrapping.",
    "Call before delivery.",
    "Replaces an earlier order.",
)
