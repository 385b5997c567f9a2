-- SPDX-License-Identifier: MIT
--
-- lanspan in Wireshark and tshark: the packets of lanspan-protocol(7), and with the
-- key log of a site ([site] key_log in lanspan.conf(5)) what is in them, down to the
-- Ethernet frames.  lanspan-bridge(8) says how it is used.
--
-- What is opened is opened by OpenSSL, through the package lua-luaossl: the Lua of
-- Wireshark 4.0 has no cipher of its own, and there is none here.  Without that
-- package everything but the contents is shown.  luaossl passes no associated data to a
-- cipher, so the tag is checked around it: see "opening" below.  It is always checked;
-- a packet that is not authentic under its key is not opened.
--
-- Frames are handed to the Ethernet dissector whole:
--   FRAME    as it is; one that was cut, in the datagram with its last piece to come.
--   PARTIAL  with its checksum finished, as it leaves the tunnel.
--   SEGMENT  when all pieces of a super-frame are there it is rebuilt, and then cut
--            into the frames that a host without offloads gets, checksums finished.
--            Pieces that others are missing of are shown with their headers only.
-- The field lanspan.frame has each of these frames, byte for byte.
--
-- A capture on the machine of a site has datagrams that the kernel joined (GSO, GRO):
-- they are taken apart again where the next header of the same session begins.

local PORT = "7741"

local lanspan = Proto("lanspan", "lanspan, Ethernet between sites")

-- ---- numbers ------------------------------------------------------------------------

local KINDS = { "INITIATION", "RESPONSE", "COOKIE", "DATA", "FLOOD", "HOP", "REGISTER" }
local INITIATION, RESPONSE, COOKIE, DATA, FLOOD, HOP, REGISTER = 1, 2, 3, 4, 5, 6, 7
local EXACT = { [INITIATION] = 208, [RESPONSE] = 164, [COOKIE] = 56, [REGISTER] = 268 }
local LEAST = { [DATA] = 34, [FLOOD] = 34, [HOP] = 74 }
local HEADER, HOP_HEADER, TAG = 16, 24, 16
local ALL = 4294967295 -- the destination of a FLOOD's HOP

local RECORDS = { [0] = "PAD", "FRAME", "PARTIAL", "SEGMENT", "CONTROL" }
local PAD, FRAME, PARTIAL, SEGMENT, CONTROL = 0, 1, 2, 3, 4
local SEGMENT_META, HEADERS_MAX, CUT_MIN, FRAME_MIN, FRAME_MAX = 18, 224, 64, 14, 9216

local CONTROLS = {
	[1] = "PING", [2] = "PONG", [3] = "PROBE", [4] = "PROBED", [5] = "CLOSE",
	[6] = "CARRIER", [7] = "CARRIED",
	[16] = "NOTICE", [17] = "MEMBERS_ASK", [18] = "MEMBERS",
	[32] = "CANDIDATES", [33] = "CHALLENGE", [34] = "CHALLENGED",
	[35] = "FLOOD_KEY", [36] = "FLOOD_ACK", [37] = "FLOOD_ASK",
}
local GSO_TYPES = {
	[1] = "TCP over IPv4", [4] = "TCP over IPv6", [5] = "UDP",
	[0x81] = "TCP over IPv4, first with CWR", [0x84] = "TCP over IPv6, first with CWR",
}

-- ---- fields -------------------------------------------------------------------------

local f, ef = {}, {}
lanspan.fields, lanspan.experts = {}, {}

local function field(name, kind, title, ...)
	local key = name:gsub("%.", "_")
	f[key] = ProtoField[kind]("lanspan." .. name, title, ...)
	table.insert(lanspan.fields, f[key])
end

local function fault(name, title, group, severity)
	ef[name] = ProtoExpert.new("lanspan.expert." .. name, title, expert.group[group],
		expert.severity[severity])
	table.insert(lanspan.experts, ef[name])
end

field("kind", "uint8", "kind", base.DEC, KINDS)
field("flags", "uint8", "flags", base.HEX)
field("flags.path", "bool", "PATH", 8, nil, 1)
field("zero", "bytes", "zero")
field("lane", "uint8", "lane")
field("sender_index", "uint32", "sender index", base.HEX)
field("receiver_index", "uint32", "receiver index", base.HEX)
field("flood_key_id", "uint32", "flood key id", base.HEX)
field("counter", "uint64", "counter")
field("ephemeral", "bytes", "e: ephemeral key")
field("static", "bytes", "s: sealed static key")
field("hello", "bytes", "sealed HELLO")
field("payload", "bytes", "sealed payload")
field("mac1", "bytes", "mac1")
field("mac2", "bytes", "mac2")
field("salt", "bytes", "salt")
field("cookie", "bytes", "sealed cookie")
field("encrypted", "bytes", "encrypted plaintext")
field("tag", "bytes", "tag")
field("hop.inner_length", "uint16", "inner length")
field("hop.source", "uint32", "source")
field("hop.destination", "uint32", "destination")
field("from", "string", "from")
field("to", "string", "to")
field("network", "string", "network")
field("auth", "string", "authentic")
field("repeats", "framenum", "same packet in", base.NONE)

field("cont", "uint16", "cont")
field("continuation", "bytes", "continuation")
field("record", "uint8", "record", base.DEC, RECORDS)
field("record.length", "uint16", "body length")
field("record.cut", "bool", "cut at the end of the datagram")
field("record.began", "framenum", "record began in", base.NONE)
field("padding", "bytes", "padding")
field("frame", "bytes", "Ethernet frame")
field("partial.checksum_start", "uint16", "checksum start")
field("partial.checksum_offset", "uint16", "checksum offset")
field("segment.gso_type", "uint8", "GSO type", base.HEX, GSO_TYPES)
field("segment.flags", "uint8", "flags", base.HEX)
field("segment.size", "uint16", "segment size")
field("segment.checksum_start", "uint16", "checksum start")
field("segment.checksum_offset", "uint16", "checksum offset")
field("segment.header_length", "uint16", "header length")
field("segment.id", "uint16", "super-frame id")
field("segment.offset", "uint16", "offset")
field("segment.total", "uint32", "total")
field("segment.headers", "bytes", "headers of the super-frame")
field("segment.payload", "bytes", "payload")

field("control", "uint8", "CONTROL", base.DEC, CONTROLS)
field("id", "uint32", "id")
field("stamp", "uint64", "stamp")
field("size", "uint16", "size of the IP packet")
field("nonce", "bytes", "nonce")
field("count", "uint8", "count")
field("place.family", "uint8", "family")
field("place.port", "uint16", "port")
field("place.ipv4", "ipv4", "address")
field("place.ipv6", "ipv6", "address")
field("key", "bytes", "flood key")
field("from_counter", "uint64", "from")
field("revision", "uint32", "revision")
field("number", "uint32", "member number")
field("reached", "uint32", "reached")
field("base", "uint32", "base")
field("members.flags", "uint8", "flags", base.HEX)
field("members.reset", "bool", "RESET", 8, nil, 1)
field("member.flags", "uint8", "flags", base.HEX)
field("member.gone", "bool", "GONE", 8, nil, 1)
field("member.public_key", "bytes", "public key")
field("member.name", "string", "site name")

fault("length", "length that the kind cannot have", "MALFORMED", "ERROR")
fault("header", "header that is dropped", "PROTOCOL", "WARN")
fault("record", "record that is not as described", "MALFORMED", "ERROR")
fault("short", "cut by the capture", "UNDECODED", "NOTE")
fault("no_key", "no key in the key log", "UNDECODED", "CHAT")
fault("key_log", "key log cannot be read", "UNDECODED", "WARN")
fault("no_library", "cannot be opened: lua-luaossl is missing", "UNDECODED", "WARN")
fault("auth", "not authentic under any key of that index", "DECRYPTION", "WARN")
fault("repeated", "packet repeated", "SEQUENCE", "NOTE")
fault("lost", "begins in a datagram that is not there", "REASSEMBLE", "NOTE")

lanspan.prefs.ports = Pref.range("UDP ports", PORT, "The ports of sites and relays", 65535)
lanspan.prefs.key_log = Pref.string("Key log", "",
	"What [site] key_log of lanspan.conf(5) names; opens DATA, FLOOD and HOP")

-- ---- bytes --------------------------------------------------------------------------

-- Operators on bits have other names in each Lua that Wireshark was built with.
local bxor, band
if bit32 then
	bxor, band = bit32.bxor, bit32.band
else
	bxor = load("return function(a, b) return a ~ b end")()
	band = load("return function(a, b) return a & b end")()
end

local function be16(s, at)
	local a, b = s:byte(at, at + 1)
	return a * 256 + b
end

local function be32(s, at)
	return be16(s, at) * 65536 + be16(s, at + 2)
end

local function put16(n)
	return string.char(math.floor(n / 256) % 256, n % 256)
end

local function put32(n)
	return put16(math.floor(n / 65536)) .. put16(n % 65536)
end

-- Counters are the 8 bytes of the header: Lua's numbers have 53 bits.
local function after(counter)
	local high, low = be32(counter, 1), be32(counter, 5) + 1
	return put32((high + math.floor(low / 4294967296)) % 4294967296) .. put32(low % 4294967296)
end

local function unhex(s)
	return (s:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function padded(s)
	return s .. ("\0"):rep(-#s % 16)
end

local function as_tvb(bytes, name)
	return ByteArray.new(bytes, true):tvb(name)
end

-- ---- the key log --------------------------------------------------------------------

local log = {} -- { at, looked, good, fault }: what of it was read, and what is wrong with it
local LINE_MAX = 512
local told -- of what is wrong, on standard error
local keys, sites = {}, {}

local function add_line(line)
	local word = {}
	for w in line:gmatch("%S+") do
		word[#word + 1] = w
	end
	if word[1] == "SITE" and #word >= 4 then
		sites[word[2]] = { name = word[3], network = word[4] }
		log.good = true
		return
	end
	local context, key = word[4] or "", word[5] or ""
	if (word[1] ~= "DATA" and word[1] ~= "HOP" and word[1] ~= "FLOOD") or #word < 7 or
	   #context ~= 32 or #key ~= 64 or (context .. key):find("%X") then
		return
	end
	log.good = true
	local name = (word[1] == "FLOOD" and "F" or "D") .. word[2]
	keys[name] = keys[name] or {}
	local id = table.concat({ word[3], context, key }, " ")
	for _, known in ipairs(keys[name]) do -- two sites may have logged it
		if known.id == id then
			return
		end
	end
	table.insert(keys[name], 1, { id = id, key = unhex(key), context = unhex(context),
		cipher = word[3], from = word[6], to = word[7], pending = {}, stash = {},
		supers = {}, seen = {} })
end

local function note_fault(why)
	log.fault = why and "key log cannot be read: " .. why
	if why and told ~= log.fault then
		told = log.fault
		io.stderr:write("lanspan: ", told, "\n")
	end
end

-- Reads what came to the file since the last time, at most once a second: keys are added
-- to it while packets are captured.
local function read_log()
	local now = os.time()
	if lanspan.prefs.key_log == "" or log.looked == now then
		return
	end
	log.looked = now
	local file, why = io.open(lanspan.prefs.key_log, "rb")
	if not file then
		note_fault(why)
		return
	end
	file:seek("set", log.at)
	local text
	text, why = file:read("*a")
	file:close()
	if not text then -- a folder
		note_fault(lanspan.prefs.key_log .. ": " .. (why or "it is no file"))
		return
	end
	local whole = text:match("^(.*\n)") or ""
	log.at = log.at + #whole
	for line in whole:gmatch("[^\n]+") do
		add_line(line)
	end
	-- One that begins just now may be empty, or have a part of a line.
	local other = not log.good and (log.at > 0 or #text > LINE_MAX)
	note_fault(other and lanspan.prefs.key_log .. ": it is no key log" or nil)
end

local function forget()
	keys, sites = {}, {}
	log = { at = 0 }
end

local function keys_of(kind, index)
	local name = ("%s%08x"):format(kind == FLOOD and "F" or "D", index)
	if not keys[name] then
		read_log()
	end
	return keys[name]
end

-- ---- opening ------------------------------------------------------------------------
--
-- luaossl gives the ciphers, but no way to hand associated data A to them, which the tag
-- covers.  The plaintext comes without: both ciphers are a key stream xor the ciphertext C.
--
-- AES-256-GCM: the tag is GHASH(A | C | lengths) xor a block that depends on the
-- nonce, where A and C are filled up with zero to whole blocks of 16.  OpenSSL is made to
-- encrypt something of which the ciphertext is X = A | C; its tag for that differs in the last
-- block alone, which says "no A, and so many bytes of C".  GHASH multiplies each block by
-- H at the end, so the difference is (lengths xor lengths of X) * H, one multiplication.
--
-- ChaCha20-Poly1305: the tag is an evaluation modulo 2^130 - 5, by OpenSSL's numbers.

local has_cipher, cipher = pcall(require, "openssl.cipher")
local has_bignum, bignum = pcall(require, "openssl.bignum")
local has_library = has_cipher and has_bignum

-- H * x^i for i from 0 to 127, each as four numbers of 32 bits.
local function powers(key)
	local h = cipher.new("aes-256-ecb"):encrypt(key):update(("\0"):rep(16))
	local a, b, c, d = be32(h, 1), be32(h, 5), be32(h, 9), be32(h, 13)
	local list = {}
	for i = 0, 127 do
		list[i] = { a, b, c, d }
		local odd = d % 2
		d = math.floor(d / 2) + c % 2 * 2147483648
		c = math.floor(c / 2) + b % 2 * 2147483648
		b = math.floor(b / 2) + a % 2 * 2147483648
		a = math.floor(a / 2)
		if odd == 1 then
			a = bxor(a, 0xe1000000)
		end
	end
	return list
end

-- block * H.
local function times_h(k, block)
	local z = { 0, 0, 0, 0 }
	k.powers = k.powers or powers(k.key)
	for i = 0, 127 do
		local byte = block:byte(math.floor(i / 8) + 1)
		if math.floor(byte / 2 ^ (7 - i % 8)) % 2 == 1 then
			for w = 1, 4 do
				z[w] = bxor(z[w], k.powers[i][w])
			end
		end
	end
	return put32(z[1]) .. put32(z[2]) .. put32(z[3]) .. put32(z[4])
end

local function xor(a, b)
	local out = {}
	for i = 1, #a do
		out[i] = string.char(bxor(a:byte(i), b:byte(i)))
	end
	return table.concat(out)
end

local function gcm_tag(k, nonce, ad, sealed)
	local x = padded(ad) .. padded(sealed)
	local gcm = cipher.new("aes-256-gcm")
	local plain = gcm:encrypt(k.key, nonce):update(x)
	gcm = cipher.new("aes-256-gcm"):encrypt(k.key, nonce)
	gcm:update(plain)
	gcm:final()
	local zero = ("\0"):rep(4)
	local lengths = zero .. put32(8 * #ad) .. zero .. put32(8 * #sealed)
	return xor(gcm:getTag(16), times_h(k, xor(lengths, ("\0"):rep(12) .. put32(8 * #x))))
end

local P1305
local function poly1305(key, message)
	P1305 = P1305 or bignum.fromBinary("\4" .. ("\0"):rep(16)) - bignum.new(5)
	local clamp = { [4] = 15, [8] = 15, [12] = 15, [16] = 15, [5] = 252, [9] = 252, [13] = 252 }
	local r = {}
	for i = 1, 16 do
		r[i] = string.char(band(key:byte(i), clamp[i] or 255))
	end
	local factor = bignum.fromBinary(table.concat(r):reverse())
	local sum = bignum.new(0)
	for at = 1, #message, 16 do
		sum = (sum + bignum.fromBinary("\1" .. message:sub(at, at + 15):reverse())) * factor % P1305
	end
	sum = sum + bignum.fromBinary(key:sub(17, 32):reverse())
	return (("\0"):rep(16) .. sum:toBinary()):sub(-16):reverse()
end

-- The key for the tag, and the plaintext.
local function chacha20(k, nonce, sealed)
	local stream = cipher.new("chacha20"):encrypt(k.key, ("\0"):rep(4) .. nonce)
	local out = stream:update(("\0"):rep(64) .. sealed)
	return out:sub(1, 32), out:sub(65)
end

-- The plaintext, or nil when the tag is not right.
local function open_with(k, counter, header, sealed, tag)
	local ad = k.context .. header
	if k.cipher == "chacha20-poly1305" then
		local key, plain = chacha20(k, ("\0"):rep(4) .. counter:reverse(), sealed)
		local lengths = put32(#ad):reverse() .. ("\0"):rep(4) .. put32(#sealed):reverse() ..
			("\0"):rep(4)
		return poly1305(key, padded(ad) .. padded(sealed) .. lengths) == tag and plain or nil
	end
	local nonce = ("\0"):rep(4) .. counter
	if gcm_tag(k, nonce, ad, sealed) ~= tag then
		return nil
	end
	return sealed == "" and "" or cipher.new("aes-256-gcm"):decrypt(k.key, nonce):update(sealed)
end

local opened = {} -- by frame number and header

-- { plain =, key = } or { why = "no_key", ... }
local function open(number, kind, index, counter, header, sealed, tag)
	local name = number .. header
	local list, found = keys_of(kind, index), opened[name]
	if found then
		return found
	end
	if not list then
		return { why = "no_key" } -- it may come
	end
	if not has_library then
		return { why = "no_library" }
	end
	found = { why = "auth" }
	for _, k in ipairs(list) do
		local plain = open_with(k, counter, header, sealed, tag)
		if plain then
			found = { plain = plain, key = k }
			break
		end
	end
	opened[name] = found
	return found
end

-- ---- frames -------------------------------------------------------------------------

local function sum16(s, from)
	local sum, n = 0, #s
	for at = from, n - 1, 2 do
		local a, b = s:byte(at, at + 1)
		sum = sum + a * 256 + b
	end
	if (n - from) % 2 == 0 then
		sum = sum + s:byte(n) * 256
	end
	while sum > 65535 do
		sum = sum % 65536 + math.floor(sum / 65536)
	end
	return sum
end

local function replace(s, at, bytes)
	return s:sub(1, at - 1) .. bytes .. s:sub(at + #bytes)
end

-- A frame with its checksum finished; nil when the fields do not fit it.
local function finish(frame, start, offset)
	if start + offset + 2 > #frame then
		return nil
	end
	local check = 65535 - sum16(frame, start + 1)
	if check == 0 and offset == 6 then
		check = 65535
	end
	return replace(frame, start + offset + 1, put16(check))
end

-- The first payload byte of each frame in a super-frame, counted from 0, leads to the
-- headers that it has: SEGMENT in lanspan-protocol(7).
local function headers_of(s, offset, len)
	local h, l4 = s.headers, s.start
	local l3 = s.l3
	local behind = #h - l4
	if s.ip == 4 then
		h = replace(h, l3 + 3, put16(#h - l3 + len))
		h = replace(h, l3 + 5, put16((be16(h, l3 + 5) + math.floor(offset / s.size)) % 65536))
		h = replace(h, l3 + 11, "\0\0")
		h = replace(h, l3 + 11, put16(65535 - sum16(h:sub(l3 + 1, l4), 1)))
	else
		h = replace(h, l3 + 5, put16(#h - l3 - 40 + len))
	end
	if s.check == 16 then
		local flags = h:byte(l4 + 14)
		h = replace(h, l4 + 5, put32((be32(h, l4 + 5) + offset) % 4294967296))
		if offset > 0 then
			flags = band(flags, 0x7f)
		end
		if offset + len < s.total then
			flags = band(flags, 0xf6)
		end
		h = replace(h, l4 + 14, string.char(flags))
	else
		h = replace(h, l4 + 5, put16(8 + len))
	end
	local sum = be16(h, l4 + s.check + 1) + 65535 - (behind + s.total) % 65535 + behind + len
	while sum > 65535 do
		sum = sum % 65536 + math.floor(sum / 65536)
	end
	return replace(h, l4 + s.check + 1, put16(sum))
end

local function cut_super(s, payload)
	local out = {}
	for offset = 0, s.total - 1, s.size do
		local piece = payload:sub(offset + 1, offset + s.size)
		out[#out + 1] = finish(headers_of(s, offset, #piece) .. piece, s.start, s.check)
	end
	return out
end

-- What a SEGMENT says, or nil when it is not as described.
local function parse_segment(body)
	if #body < SEGMENT_META then
		return nil
	end
	local n = be16(body, 9)
	local s = { type = body:byte(1), size = be16(body, 3), start = be16(body, 5),
		check = be16(body, 7), id = be16(body, 11), offset = be16(body, 13),
		total = be32(body, 15), headers = body:sub(SEGMENT_META + 1, SEGMENT_META + n),
		payload = body:sub(SEGMENT_META + n + 1) }
	local least = s.check == 16 and 20 or 8
	if not GSO_TYPES[s.type] or body:byte(2) % 2 == 0 or s.size == 0 or n > HEADERS_MAX or
	   #s.headers ~= n or #s.payload == 0 or s.total > 65535 or
	   s.offset + #s.payload > s.total or (s.check ~= 16 and s.check ~= 6) or
	   s.start + least > n or s.start < 34 then
		return nil
	end
	s.l3 = 14
	local kind = be16(s.headers, 13)
	while s.l3 <= 18 and (kind == 0x8100 or kind == 0x88a8) do
		s.l3 = s.l3 + 4
		kind = be16(s.headers, s.l3 - 1)
	end
	s.ip = ({ [0x0800] = 4, [0x86dd] = 6 })[kind]
	if not s.ip or s.l3 + (s.ip == 4 and 20 or 40) > s.start then
		return nil
	end
	return s
end

-- Puts a piece to the others; the frames when that was the last one.
local function add_piece(k, s)
	local super = k.supers[s.id]
	if not super or super.first.total ~= s.total or #super.first.headers ~= #s.headers or
	   super.pieces[s.offset] then
		super = { first = s, pieces = {}, have = 0 }
		k.supers[s.id] = super
	end
	if s.offset == 0 then
		super.first = s
	end
	super.pieces[s.offset] = s.payload
	super.have = super.have + #s.payload
	if super.have < s.total then
		return {}
	end
	k.supers[s.id] = nil
	local at, all = 0, {}
	while at < s.total do
		local piece = super.pieces[at]
		if not piece then
			return {}
		end
		all[#all + 1] = piece
		at = at + #piece
	end
	return cut_super(super.first, table.concat(all))
end

-- The frames that a whole record completes; nil when it is not as described.
local function frames_of(k, record)
	local kind, body = record:byte(1), record:sub(4)
	if kind == CONTROL then
		return #body > 0 and {} or nil
	elseif kind == SEGMENT then
		local s = parse_segment(body)
		return s and add_piece(k, s)
	elseif kind == FRAME or kind == PARTIAL then
		local frame = kind == FRAME and body or body:sub(5)
		if #frame < FRAME_MIN or #frame > FRAME_MAX then
			return nil
		end
		if kind == PARTIAL then
			frame = finish(frame, be16(body, 1), be16(body, 3))
		end
		return frame and { frame }
	end
	return nil
end

-- ---- the stream of records ----------------------------------------------------------
--
-- Each packet is looked at once, when it is seen for the first time; what came of it is
-- kept, as Wireshark asks for packets again in any order.  A key has the records that wait
-- for their end, by the counter that it comes with (pending), and ends that came first
-- (stash).

local function complete(k, join, item)
	item.record, item.began = join.bytes, join.number
	item.frames = frames_of(k, join.bytes)
end

-- Adds a part; true when the record is whole or given up.
local function join_add(k, join, part, item)
	local missing = join.need - #join.bytes
	if #part.bytes > missing or (#part.bytes < missing and not part.whole) then
		item.fault = "a part that does not fit its record"
		return true
	end
	join.bytes = join.bytes .. part.bytes
	if #join.bytes == join.need then
		complete(k, join, item)
		return true
	end
	return false
end

local function join_on(k, join, counter, item)
	while true do
		local part = k.stash[counter]
		k.stash[counter] = nil
		if not part then
			k.pending[counter] = join
			return
		end
		if join_add(k, join, part, item) then
			return
		end
		counter = after(counter)
	end
end

local function continuation(k, counter, bytes, whole, item)
	local join, part = k.pending[counter], { bytes = bytes, whole = whole }
	if not join then
		k.stash[counter] = part
		item.waits = true
		return
	end
	k.pending[counter] = nil
	if not join_add(k, join, part, item) then
		join_on(k, join, after(counter), item)
	end
end

-- What is in a plaintext, a list of { off, len, ... }.
local function analyse(k, number, counter, plain)
	local items, at = {}, 2
	local cont = #plain >= 2 and be16(plain, 1) or 0
	if #plain < 2 or cont > #plain - 2 then
		return { { off = 0, len = #plain, fault = "cont is more than what follows" } }
	end
	if cont > 0 then
		local item = { off = 2, len = cont, cont = true }
		items[1] = item
		continuation(k, counter, plain:sub(3, 2 + cont), cont == #plain - 2, item)
		at = at + cont
	end
	while at < #plain do
		local item = { off = at, len = #plain - at }
		items[#items + 1] = item
		if plain:byte(at + 1) == PAD then
			item.pad = true
			break
		elseif item.len < 3 then
			item.fault = "bytes left over"
			break
		end
		local need = 3 + be16(plain, at + 2)
		if need > item.len then
			item.cut = true
			if item.len < CUT_MIN or plain:byte(at + 1) == SEGMENT or need > 7 + FRAME_MAX then
				item.fault = "a cut where there must be none"
			else
				join_on(k, { bytes = plain:sub(at + 1), need = need, number = number },
					after(counter), item)
			end
			break
		end
		item.len = need
		item.frames = frames_of(k, plain:sub(at + 1, at + need))
		at = at + need
	end
	return items
end

-- ---- showing ------------------------------------------------------------------------

local ethernet = Dissector.get("eth_withoutfcs")

local function place(r, tree)
	local len = r:len()
	local family = len >= 1 and r(0, 1):uint()
	local size = ({ [4] = 4, [6] = 16 })[family]
	if not size or len < 3 + size then
		return nil
	end
	tree:add(f.place_family, r(0, 1))
	tree:add(f.place_port, r(1, 2))
	tree:add(family == 4 and f.place_ipv4 or f.place_ipv6, r(3, size))
	return 3 + size
end

local function show_candidates(r, tree)
	local at = 1
	tree:add(f.count, r(0, 1))
	for _ = 1, r(0, 1):uint() do
		local used = at < r:len() and place(r(at), tree)
		if not used then
			return false
		end
		at = at + used
	end
	return r(0, 1):uint() <= 8
end

local function show_notice(r, tree)
	tree:add(f.revision, r(0, 4))
	tree:add(f.number, r(4, 4))
	tree:add(f.place_port, r(8, 2))
	tree:add(f.place_family, r(10, 1))
	local is_ipv4 = r(10, 1):uint() == 4
	tree:add(is_ipv4 and f.place_ipv4 or f.place_ipv6, r(11, is_ipv4 and 4 or 16))
	return true
end

local function show_members(r, tree)
	local at = 10
	tree:add(f.revision, r(0, 4))
	tree:add(f.reached, r(4, 4))
	tree:add(f.members_flags, r(8, 1)):add(f.members_reset, r(8, 1))
	tree:add(f.count, r(9, 1))
	for _ = 1, r(9, 1):uint() do
		local name = at + 38 <= r:len() and r(at + 37, 1):uint()
		if not name or at + 38 + name > r:len() then
			return false
		end
		local entry = tree:add(lanspan, r(at, 38 + name), "member " .. r(at, 4):uint())
		entry:add(f.number, r(at, 4))
		entry:add(f.member_flags, r(at + 4, 1)):add(f.member_gone, r(at + 4, 1))
		entry:add(f.member_public_key, r(at + 5, 32))
		if name > 0 then
			entry:add(f.member_name, r(at + 38, name))
		end
		at = at + 38 + name
	end
	return true
end

local function fields_of(...)
	local list = { ... }
	return function(r, tree)
		local at = 0
		for i = 1, #list, 2 do
			tree:add(f[list[i]], r(at, list[i + 1]))
			at = at + list[i + 1]
		end
		return true
	end
end

local function show_challenged(r, tree)
	tree:add(f.nonce, r(0, 8))
	return r:len() == 8 or place(r(8), tree) ~= nil
end

-- Length of the body behind the type, exact or at least; and how it is shown.
local SHOW_CONTROL = {
	[1] = { 12, true, fields_of("id", 4, "stamp", 8) },
	[2] = { 12, true, fields_of("id", 4, "stamp", 8) },
	[3] = { 6, true, fields_of("id", 4, "size", 2) },
	[4] = { 6, true, fields_of("id", 4, "size", 2) },
	[5] = { 0, true, fields_of() },
	[16] = { 27, true, show_notice },
	[17] = { 8, true, fields_of("reached", 4, "base", 4) },
	[18] = { 10, false, show_members },
	[32] = { 1, false, show_candidates },
	[33] = { 8, false, fields_of("nonce", 8) },
	[34] = { 8, false, show_challenged },
	[35] = { 44, true, fields_of("flood_key_id", 4, "key", 32, "from_counter", 8) },
	[36] = { 4, true, fields_of("flood_key_id", 4) },
	[37] = { 4, true, fields_of("flood_key_id", 4) },
}

local function show_control(r, tree, info)
	local kind = r(0, 1):uint()
	local how = SHOW_CONTROL[kind]
	local len = r:len() - 1
	tree:add(f.control, r(0, 1))
	tree:append_text(": " .. (CONTROLS[kind] or "unknown"))
	info[#info + 1] = CONTROLS[kind] or "CONTROL " .. kind
	if not how or len < how[1] or (how[2] and len ~= how[1]) then
		return false
	end
	return len == 0 or how[3](r(1), tree)
end

local function show_segment(r, tree)
	local names = { "gso_type", 1, "flags", 1, "size", 2, "checksum_start", 2,
		"checksum_offset", 2, "header_length", 2, "id", 2, "offset", 2, "total", 4 }
	local at, n = 0, r:len() >= SEGMENT_META and r(8, 2):uint()
	if not n or SEGMENT_META + n >= r:len() then
		return
	end
	for i = 1, #names, 2 do
		tree:add(f["segment_" .. names[i]], r(at, names[i + 1]))
		at = at + names[i + 1]
	end
	if n > 0 then
		tree:add(f.segment_headers, r(at, n))
	end
	tree:add(f.segment_payload, r(at + n))
end

-- The fields of a whole record at r.
local function show_record(r, tree, info)
	local kind = r(0, 1):uint()
	tree:add(f.record, r(0, 1))
	tree:add(f.record_length, r(1, 2))
	if r:len() == 3 then
		return true
	elseif kind == CONTROL then
		return show_control(r(3), tree, info)
	elseif kind == PARTIAL and r:len() >= 7 then
		tree:add(f.partial_checksum_start, r(3, 2))
		tree:add(f.partial_checksum_offset, r(5, 2))
	elseif kind == SEGMENT then
		show_segment(r(3), tree)
	end
	return true
end

local function show_frames(frames, tree, pinfo, root)
	for _, bytes in ipairs(frames) do
		local tvb = as_tvb(bytes, "Ethernet frame")
		tree:add(f.frame, tvb())
		pcall(ethernet.call, ethernet, tvb, pinfo, root)
	end
end

local function title_of(item, plain)
	local kind = RECORDS[plain(item.off, 1):uint()] or "record of an unknown type"
	if item.cont then
		return "continuation"
	end
	return item.pad and "PAD" or kind
end

local function show_item(item, plain, tree, pinfo, root, info)
	local r = plain(item.off, item.len)
	local sub = tree:add(lanspan, r, title_of(item, plain) .. ", " .. item.len .. " bytes")
	local good = true
	if item.pad then
		sub:add(f.record, r(0, 1))
		sub:add(f.padding, r)
	elseif item.cont then
		sub:add(f.continuation, r)
	elseif item.cut then
		sub:add(f.record_cut, r(0, 1), true)
		sub:add(f.record, r(0, 1))
		sub:add(f.record_length, r(1, 2))
	elseif not item.fault then
		good = show_record(r, sub, info)
	end
	if item.record then
		sub:add(f.record_began, item.began):set_generated()
		show_record(as_tvb(item.record, "Joined record")(), sub, info)
	end
	if item.waits then
		sub:add_proto_expert_info(ef.lost)
	elseif item.fault or not good or (item.frames == nil and not item.pad and
	       (not (item.cont or item.cut) or item.record)) then
		sub:add_proto_expert_info(ef.record, item.fault)
	end
	show_frames(item.frames or {}, sub, pinfo, root)
end

local results = {} -- of analyse, by frame number and header

local function show_plain(tree, pinfo, root, o, name, counter, info)
	local plain = as_tvb(o.plain, "Plaintext")
	local number = pinfo.number
	local seen = o.key.seen[counter]
	local result = results[name]
	o.key.seen[counter] = seen or number
	if not result then
		-- One that is repeated changes nothing that is under way.
		local k = seen and { pending = {}, stash = {}, supers = {} } or o.key
		result = analyse(k, number, counter, o.plain)
		results[name] = result
	end
	if seen and seen ~= number then
		tree:add(f.repeats, seen):set_generated()
		tree:add_proto_expert_info(ef.repeated)
	end
	local sub = tree:add(lanspan, plain(), "plaintext, " .. #o.plain .. " bytes")
	if #o.plain >= 2 then
		sub:add(f.cont, plain(0, 2))
	end
	for _, item in ipairs(result) do
		show_item(item, plain, sub, pinfo, root, info)
	end
end

local function site_text(id)
	return sites[id] and sites[id].name or id
end

local function show_ends(tree, k, info)
	local from = site_text(k.from)
	local to = k.to == "-" and "all" or site_text(k.to)
	tree:add(f.from, from):set_generated()
	tree:add(f.to, to):set_generated()
	local site = sites[k.from] or sites[k.to]
	if site then
		tree:add(f.network, site.network):set_generated()
	end
	info[#info + 1] = from .. " to " .. to
end

-- Why it is not opened.
local function show_why(tree, why)
	tree:add_proto_expert_info(ef[why])
	if why == "no_key" and log.fault then
		tree:add_proto_expert_info(ef.key_log, log.fault)
	end
end

-- DATA or FLOOD.
local function show_sealed(r, kind, tree, pinfo, root, info)
	local raw = r:raw()
	local index, counter = be32(raw, 5), raw:sub(9, 16)
	tree:add(f.encrypted, r(HEADER, r:len() - HEADER - TAG))
	tree:add(f.tag, r(r:len() - TAG, TAG))
	info[#info + 1] = ("%08x #%s"):format(index, tostring(r(8, 8):uint64()))
	if lanspan.prefs.key_log == "" then
		return
	end
	local o = open(pinfo.number, kind, index, counter, raw:sub(1, HEADER),
		raw:sub(HEADER + 1, -TAG - 1), raw:sub(-TAG))
	if not o.plain then
		show_why(tree, o.why)
		return
	end
	tree:add(f.auth, "yes"):set_generated()
	show_ends(tree, o.key, info)
	show_plain(tree, pinfo, root, o, pinfo.number .. raw:sub(1, HEADER), counter, info)
end

local show_packet

local function show_hop(r, tree, pinfo, root, info)
	local inner, raw = r(2, 2):uint(), r:raw()
	local inside = raw:sub(HOP_HEADER + 1, HOP_HEADER + inner)
	tree:add(f.hop_source, r(16, 4))
	local to = tree:add(f.hop_destination, r(20, 4))
	if r(20, 4):uint() == ALL then
		to:append_text(" (all other members)")
	end
	tree:add(f.tag, r(HOP_HEADER + inner, TAG))
	if lanspan.prefs.key_log ~= "" then
		local o = open(pinfo.number, HOP, be32(raw, 5), raw:sub(9, 16),
			raw:sub(1, HOP_HEADER) .. inside:sub(1, 16) .. inside:sub(-16), "", raw:sub(-TAG))
		if o.plain then
			tree:add(f.auth, "yes"):set_generated()
			show_ends(tree, o.key, info)
		else
			show_why(tree, o.why)
		end
	end
	info[#info + 1] = "with"
	show_packet(r(HOP_HEADER, inner), pinfo, tree, root, info, true)
end

local SHOW = {
	[INITIATION] = fields_of("sender_index", 4, "ephemeral", 32, "static", 48, "hello", 88,
		"mac1", 16, "mac2", 16),
	[RESPONSE] = fields_of("sender_index", 4, "receiver_index", 4, "ephemeral", 32, "hello", 88,
		"mac1", 16, "mac2", 16),
	[COOKIE] = fields_of("receiver_index", 4, "salt", 16, "cookie", 32),
	[REGISTER] = fields_of("sender_index", 4, "ephemeral", 32, "static", 48, "payload", 148,
		"mac1", 16, "mac2", 16),
	[DATA] = fields_of("receiver_index", 4, "counter", 8),
	[FLOOD] = fields_of("flood_key_id", 4, "counter", 8),
	[HOP] = fields_of("receiver_index", 4, "counter", 8),
}

-- What of a packet's length is wrong for its kind, or nil.
local function length_fault(kind, raw)
	local len = #raw
	if EXACT[kind] then
		return len ~= EXACT[kind] and "must be " .. EXACT[kind] .. " bytes" or nil
	elseif len < LEAST[kind] then
		return "must be " .. LEAST[kind] .. " bytes or more"
	elseif kind == HOP and be16(raw, 3) ~= len - HOP_HEADER - TAG then
		return "inner length is not that of the inner packet"
	end
	return nil
end

local function show_header(r, kind, tree)
	local raw = r:raw()
	local a, b, c = raw:byte(2, 4)
	tree:add(f.kind, r(0, 1))
	if kind == DATA then
		tree:add(f.flags, r(1, 1)):add(f.flags_path, r(1, 1))
		tree:add(f.zero, r(2, 1))
		tree:add(f.lane, r(3, 1))
		local is_path = raw:byte(9) >= 0x40 -- by its counter, from 2^62
		return a <= 1 and (a == 1) == is_path and b == 0 and c < 16
	elseif kind == HOP then
		tree:add(f.flags, r(1, 1))
		tree:add(f.hop_inner_length, r(2, 2))
		return a == 0
	end
	tree:add(f.zero, r(1, 3))
	return a + b + c == 0
end

function show_packet(r, pinfo, parent, root, info, hop)
	local raw = r:raw()
	local kind = raw:byte(1)
	local tree = parent:add(lanspan, r, "lanspan " .. (KINDS[kind] or "packet"))
	info[#info + 1] = KINDS[kind] or "unknown kind"
	if not KINDS[kind] or (hop and (kind == HOP or kind == REGISTER)) then
		tree:add_proto_expert_info(ef.header, "a kind that cannot be here")
		return
	end
	local wrong = length_fault(kind, raw)
	if wrong then
		tree:add(f.kind, r(0, 1))
		tree:add_proto_expert_info(ef.length, wrong)
		return
	end
	if not show_header(r, kind, tree) then
		tree:add_proto_expert_info(ef.header)
	elseif kind == FLOOD and not hop then
		tree:add_proto_expert_info(ef.header, "FLOOD outside of a HOP")
	end
	SHOW[kind](r(4), tree)
	if kind == DATA or kind == FLOOD then
		show_sealed(r, kind, tree, pinfo, root, info)
	elseif kind == HOP then
		show_hop(r, tree, pinfo, root, info)
	end
end

-- ---- datagrams ----------------------------------------------------------------------

-- Where the next DATA of the same session begins in a joined datagram, or its end: the
-- same index and the same upper half of a counter that is not far away.
local function next_data(raw, at)
	local from, counter = at + 34, be32(raw, at + 12)
	while true do
		local found = raw:find(raw:sub(at + 4, at + 11), from + 4, true)
		if not found or found + 11 > #raw then
			return #raw + 1
		end
		local kind, flags, zero, lane = raw:byte(found - 4, found - 1)
		if kind == DATA and flags <= 1 and zero == 0 and lane < 16 and
		   math.abs(be32(raw, found + 8) - counter) < 65536 then
			return found - 4
		end
		from = found - 3
	end
end

-- How long the packet is that begins there; as far as can be told.
local function packet_length(raw, at)
	local kind, left = raw:byte(at), #raw - at + 1
	if kind == DATA and left > 34 then
		return next_data(raw, at) - at
	elseif kind == HOP and left >= HOP_HEADER then
		local len = be16(raw, at + 2) + HOP_HEADER + TAG
		-- not the length of what does not look like another packet
		return len < left and KINDS[raw:byte(at + len)] and len or left
	end
	return left
end

function lanspan.dissector(tvb, pinfo, root)
	local len = tvb:len()
	if len == 0 or not KINDS[tvb(0, 1):uint()] then
		return 0
	end
	pinfo.cols.protocol = "lanspan"
	local info = {}
	if len < tvb:reported_len() then
		local tree = root:add(lanspan, tvb(), "lanspan " .. KINDS[tvb(0, 1):uint()])
		tree:add(f.kind, tvb(0, 1))
		tree:add_proto_expert_info(ef.short)
		pinfo.cols.info = KINDS[tvb(0, 1):uint()] .. " (cut by the capture)"
		return len
	end
	local raw, at = tvb:raw(), 1
	while at <= len do
		local n = packet_length(raw, at)
		show_packet(tvb(at - 1, n), pinfo, root, root, info, false)
		at = at + n
		info[#info + 1] = at <= len and "|" or nil
	end
	pinfo.cols.protocol = "lanspan"
	pinfo.cols.info = table.concat(info, " ")
	return len
end

-- A handshake on another port is known by its exact length and its first bytes; what
-- follows between the same places is lanspan then.
local function looks_like(tvb, pinfo, root)
	local len = tvb:reported_len()
	if tvb:len() < 4 or len ~= tvb:len() then
		return false
	end
	local first = tvb(0, 4):uint()
	local kind = math.floor(first / 16777216)
	if (kind ~= INITIATION and kind ~= RESPONSE and kind ~= REGISTER) or len ~= EXACT[kind] or
	   first % 16777216 ~= 0 then
		return false
	end
	pinfo.conversation = lanspan
	lanspan.dissector(tvb, pinfo, root)
	return true
end

local udp = DissectorTable.get("udp.port")
local ports_now

function lanspan.prefs_changed()
	if ports_now ~= lanspan.prefs.ports then
		if ports_now then
			udp:remove(ports_now, lanspan)
		end
		ports_now = lanspan.prefs.ports
		udp:add(ports_now, lanspan)
	end
	forget()
end

function lanspan.init()
	forget()
	opened, results = {}, {}
end

ports_now = lanspan.prefs.ports
udp:add(ports_now, lanspan)
lanspan:register_heuristic("udp", looks_like)
