--
-- PostgreSQL database cluster dump
--

\restrict C6GlpdfwF5YYPeXVHvxu32ot0YhR6fxlEOPzy6wSxr4bMI3ZsKddmT66SRMFmDo

SET default_transaction_read_only = off;

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

--
-- Roles
--

CREATE ROLE "We""ird Role";
ALTER ROLE "We""ird Role" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 7 PASSWORD 'SCRAM-SHA-256$4096:none' VALID UNTIL '2031-01-01 00:00:00+00';
CREATE ROLE app;
ALTER ROLE app WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD 'SCRAM-SHA-256$4096:none';
CREATE ROLE boss;
ALTER ROLE boss WITH SUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'SCRAM-SHA-256$4096:none';
CREATE ROLE owner_role;
ALTER ROLE owner_role WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE reader;
ALTER ROLE reader WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'SCRAM-SHA-256$4096:none';
COMMENT ON ROLE reader IS E'multi
-- Database "x" dump
\\connect postgres
it''s';

--
-- User Configurations
--

--
-- User Config "reader"
--

ALTER ROLE reader SET work_mem TO '17MB';
ALTER ROLE reader SET search_path TO 'a b', 'public';


--
-- Role memberships
--

GRANT owner_role TO "We""ird Role" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY app;
GRANT owner_role TO reader WITH INHERIT TRUE GRANTED BY "We""ird Role";
GRANT pg_monitor TO reader WITH INHERIT TRUE GRANTED BY app;


--
-- Role privileges on configuration parameters
--

GRANT SET ON PARAMETER work_mem TO reader;




\unrestrict C6GlpdfwF5YYPeXVHvxu32ot0YhR6fxlEOPzy6wSxr4bMI3ZsKddmT66SRMFmDo

--
-- Databases
--

--
-- Database "template1" dump
--

\connect template1

--
-- PostgreSQL database dump
--

\restrict zfL7S5KmvuUvJwVG2iGeYfBdfRudG4muGfRZmPa9RXtMrdWnkRjX4pZn9ydmBxF

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: in_template1; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.in_template1 (
    a text
);


ALTER TABLE public.in_template1 OWNER TO app;

--
-- Data for Name: in_template1; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.in_template1 (a) FROM stdin;
t1
\.


--
-- PostgreSQL database dump complete
--

\unrestrict zfL7S5KmvuUvJwVG2iGeYfBdfRudG4muGfRZmPa9RXtMrdWnkRjX4pZn9ydmBxF

--
-- Database "Größe" dump
--

--
-- PostgreSQL database dump
--

\restrict TiOzCi5fQGCEN1GwWzm28P3SB5Ng8hMbsO5axM3QnDMJpCHsKFh3uwrJxh3rZba

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: Größe; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE "Größe" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE "Größe" OWNER TO app;

\unrestrict TiOzCi5fQGCEN1GwWzm28P3SB5Ng8hMbsO5axM3QnDMJpCHsKFh3uwrJxh3rZba
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='Größe'"
\restrict TiOzCi5fQGCEN1GwWzm28P3SB5Ng8hMbsO5axM3QnDMJpCHsKFh3uwrJxh3rZba

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict TiOzCi5fQGCEN1GwWzm28P3SB5Ng8hMbsO5axM3QnDMJpCHsKFh3uwrJxh3rZba

--
-- Database "My "odd" D'b" dump
--

--
-- PostgreSQL database dump
--

\restrict vgqEHQww8OudIk5AGXKv2FUBD3qNhNfLx3EGFYUkpJgRPNKiK2Ga4RfPPPz3r6q

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: My "odd" D'b; Type: DATABASE; Schema: -; Owner: owner_role
--

CREATE DATABASE "My ""odd"" D'b" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE "My ""odd"" D'b" OWNER TO owner_role;

\unrestrict vgqEHQww8OudIk5AGXKv2FUBD3qNhNfLx3EGFYUkpJgRPNKiK2Ga4RfPPPz3r6q
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='My ""odd"" D\'b'"
\restrict vgqEHQww8OudIk5AGXKv2FUBD3qNhNfLx3EGFYUkpJgRPNKiK2Ga4RfPPPz3r6q

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: odd; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.odd (
    a integer
);


ALTER TABLE public.odd OWNER TO app;

--
-- Data for Name: odd; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.odd (a) FROM stdin;
42
\.


--
-- PostgreSQL database dump complete
--

\unrestrict vgqEHQww8OudIk5AGXKv2FUBD3qNhNfLx3EGFYUkpJgRPNKiK2Ga4RfPPPz3r6q

--
-- Database "a=b;\c" dump
--

--
-- PostgreSQL database dump
--

\restrict 0Bko95PIy31WjgJ4ccrWVaBboOGna9nyMEQRmHQWTvFfsBeN90RJNtaDRBcoio5

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: a=b;\c; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE "a=b;\c" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE "a=b;\c" OWNER TO app;

\unrestrict 0Bko95PIy31WjgJ4ccrWVaBboOGna9nyMEQRmHQWTvFfsBeN90RJNtaDRBcoio5
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='a=b;\\c'"
\restrict 0Bko95PIy31WjgJ4ccrWVaBboOGna9nyMEQRmHQWTvFfsBeN90RJNtaDRBcoio5

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict 0Bko95PIy31WjgJ4ccrWVaBboOGna9nyMEQRmHQWTvFfsBeN90RJNtaDRBcoio5

--
-- Database "appdb" dump
--

--
-- PostgreSQL database dump
--

\restrict fWadanKnZldMnFrg54lyaCdqeYKEwurCUQ4iSp4BjVubZ2NItuWHIduBYHfA0lU

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: appdb; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE appdb WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE appdb OWNER TO app;

\unrestrict fWadanKnZldMnFrg54lyaCdqeYKEwurCUQ4iSp4BjVubZ2NItuWHIduBYHfA0lU
\connect appdb
\restrict fWadanKnZldMnFrg54lyaCdqeYKEwurCUQ4iSp4BjVubZ2NItuWHIduBYHfA0lU

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict fWadanKnZldMnFrg54lyaCdqeYKEwurCUQ4iSp4BjVubZ2NItuWHIduBYHfA0lU

--
-- Database "latin" dump
--

--
-- PostgreSQL database dump
--

\restrict SWS9viaABXTz7b1L4G4iSAvCiKs1mLdFB9SiVMd14FhcpiN7wjKUD0MODaWFhpa

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'LATIN1';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: latin; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE latin WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = libc LOCALE = 'C';


ALTER DATABASE latin OWNER TO app;

\unrestrict SWS9viaABXTz7b1L4G4iSAvCiKs1mLdFB9SiVMd14FhcpiN7wjKUD0MODaWFhpa
\connect latin
\restrict SWS9viaABXTz7b1L4G4iSAvCiKs1mLdFB9SiVMd14FhcpiN7wjKUD0MODaWFhpa

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'LATIN1';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: l; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.l (
    a text
);


ALTER TABLE public.l OWNER TO app;

--
-- Data for Name: l; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.l (a) FROM stdin;
Größe é
\.


--
-- PostgreSQL database dump complete
--

\unrestrict SWS9viaABXTz7b1L4G4iSAvCiKs1mLdFB9SiVMd14FhcpiN7wjKUD0MODaWFhpa

--
-- Database "postgres" dump
--

\connect postgres

--
-- PostgreSQL database dump
--

\restrict CCwmlId4gD6y4ZQlQ2LCjP0fg5mE5EsnpreDk3OV5GVBzRtlQo3j6YLdkvTzT6t

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: in_postgres; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.in_postgres (
    a integer
);


ALTER TABLE public.in_postgres OWNER TO app;

--
-- Data for Name: in_postgres; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.in_postgres (a) FROM stdin;
1
2
3
4
5
6
7
8
9
10
11
12
13
14
15
16
17
18
19
20
21
22
23
24
25
26
27
28
29
30
31
32
33
34
35
36
37
38
39
40
41
42
43
44
45
46
47
48
49
50
51
52
53
54
55
56
57
58
59
60
61
62
63
64
65
66
67
68
69
70
71
72
73
74
75
76
77
78
79
80
81
82
83
84
85
86
87
88
89
90
91
92
93
94
95
96
97
98
99
100
\.


--
-- PostgreSQL database dump complete
--

\unrestrict CCwmlId4gD6y4ZQlQ2LCjP0fg5mE5EsnpreDk3OV5GVBzRtlQo3j6YLdkvTzT6t

--
-- Database "readonly" dump
--

--
-- PostgreSQL database dump
--

\restrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: readonly; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE readonly WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE readonly OWNER TO app;

\unrestrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr
\connect readonly
\restrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: readonly; Type: DATABASE PROPERTIES; Schema: -; Owner: app
--

ALTER DATABASE readonly CONNECTION LIMIT = 3;
ALTER DATABASE readonly SET default_transaction_read_only TO 'on';


\unrestrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr
\connect readonly
\restrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: ro; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.ro (
    a integer
);


ALTER TABLE public.ro OWNER TO app;

--
-- Data for Name: ro; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.ro (a) FROM stdin;
1
\.


--
-- PostgreSQL database dump complete
--

\unrestrict aRx6wldzdWbgwMhRXv4fLvyxPZMOYebnpfzucb88mKfRtAilVH9aSF7n4oSvlIr

--
-- Database "shop" dump
--

--
-- PostgreSQL database dump
--

\restrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: shop; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE shop OWNER TO app;

\unrestrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB
\connect shop
\restrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE shop; Type: COMMENT; Schema: -; Owner: app
--

COMMENT ON DATABASE shop IS 'the shop
\connect template1
-- PostgreSQL database cluster dump complete';


--
-- Name: shop; Type: DATABASE PROPERTIES; Schema: -; Owner: app
--

ALTER DATABASE shop SET work_mem TO '9MB';
ALTER ROLE reader IN DATABASE shop SET statement_timeout TO '1min';


\unrestrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB
\connect shop
\restrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: s; Type: SCHEMA; Schema: -; Owner: owner_role
--

CREATE SCHEMA s;


ALTER SCHEMA s OWNER TO owner_role;

--
-- Name: hstore; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;


--
-- Name: EXTENSION hstore; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION hstore IS 'data type for storing sets of (key, value) pairs';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: postgres_fdw; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;


--
-- Name: EXTENSION postgres_fdw; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION postgres_fdw IS 'foreign-data wrapper for remote PostgreSQL servers';


--
-- Name: et(); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.et() RETURNS event_trigger
    LANGUAGE plpgsql
    AS $$BEGIN NULL; END$$;


ALTER FUNCTION public.et() OWNER TO app;

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.f() RETURNS text
    LANGUAGE plpgsql
    AS $_$
BEGIN
-- Database "x" dump
/*
\connect postgres
-- PostgreSQL database cluster dump complete
*/
RETURN '$$;
\connect postgres

DROP DATABASE shop;
COPY x FROM stdin;
\.
';
END $_$;


ALTER FUNCTION public.f() OWNER TO app;

--
-- Name: g(integer); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.g(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (a > 1) THEN 1
             ELSE 2
         END AS "case";
 SELECT 3;
END;


ALTER FUNCTION public.g(a integer) OWNER TO app;

--
-- Name: h(); Type: FUNCTION; Schema: public; Owner: app
--

CREATE FUNCTION public.h() RETURNS text
    LANGUAGE sql
    AS $$SELECT 'a;''b\'$$;


ALTER FUNCTION public.h() OWNER TO app;

--
-- Name: fs; Type: SERVER; Schema: -; Owner: app
--

CREATE SERVER fs FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
    dbname 'x;y',
    host 'nowhere'
);


ALTER SERVER fs OWNER TO app;

--
-- Name: USER MAPPING reader SERVER fs; Type: USER MAPPING; Schema: -; Owner: app
--

CREATE USER MAPPING FOR reader SERVER fs OPTIONS (
    password 'p''q',
    "user" 'u'
);


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: database; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.database (
    shop integer
);


ALTER TABLE public.database OWNER TO app;

--
-- Name: COLUMN database.shop; Type: COMMENT; Schema: public; Owner: app
--

COMMENT ON COLUMN public.database.shop IS 'x';


--
-- Name: ft; Type: FOREIGN TABLE; Schema: public; Owner: app
--

CREATE FOREIGN TABLE public.ft (
    a integer
)
SERVER fs;


ALTER FOREIGN TABLE public.ft OWNER TO app;

--
-- Name: log; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.log (
    a text
);


ALTER TABLE public.log OWNER TO app;

--
-- Name: t; Type: TABLE; Schema: s; Owner: app
--

CREATE TABLE s.t (
    id integer NOT NULL,
    v text,
    "from" text DEFAULT 'a\''b'::text
);


ALTER TABLE s.t OWNER TO app;

--
-- Name: TABLE t; Type: COMMENT; Schema: s; Owner: app
--

COMMENT ON TABLE s.t IS 'x
\connect postgres
/* open';


--
-- Name: mv; Type: MATERIALIZED VIEW; Schema: public; Owner: app
--

CREATE MATERIALIZED VIEW public.mv AS
 SELECT count(*) AS count
   FROM s.t
  WITH NO DATA;


ALTER MATERIALIZED VIEW public.mv OWNER TO app;

--
-- Name: part; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.part (
    a integer
)
PARTITION BY RANGE (a);


ALTER TABLE public.part OWNER TO app;

--
-- Name: part1; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.part1 (
    a integer
);


ALTER TABLE public.part1 OWNER TO app;

--
-- Name: user; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public."user" (
    a integer[],
    j jsonb
);


ALTER TABLE public."user" OWNER TO app;

--
-- Name: v; Type: VIEW; Schema: public; Owner: app
--

CREATE VIEW public.v AS
 SELECT a[1:2] AS "b;--/*"
   FROM public."user";


ALTER VIEW public.v OWNER TO app;

--
-- Name: t_id_seq; Type: SEQUENCE; Schema: s; Owner: app
--

CREATE SEQUENCE s.t_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE s.t_id_seq OWNER TO app;

--
-- Name: t_id_seq; Type: SEQUENCE OWNED BY; Schema: s; Owner: app
--

ALTER SEQUENCE s.t_id_seq OWNED BY s.t.id;


--
-- Name: part1; Type: TABLE ATTACH; Schema: public; Owner: app
--

ALTER TABLE ONLY public.part ATTACH PARTITION public.part1 FOR VALUES FROM (0) TO (10);


--
-- Name: t id; Type: DEFAULT; Schema: s; Owner: app
--

ALTER TABLE ONLY s.t ALTER COLUMN id SET DEFAULT nextval('s.t_id_seq'::regclass);


--
-- Data for Name: database; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.database (shop) FROM stdin;
\.


--
-- Data for Name: log; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.log (a) FROM stdin;
\.


--
-- Data for Name: part1; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.part1 (a) FROM stdin;
1
\.


--
-- Data for Name: user; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public."user" (a, j) FROM stdin;
{1,2}	{"a": "\\\\u0041 $$ 'x"}
\.


--
-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: app
--

COPY s.t (id, v, "from") FROM stdin;
1	\\connect postgres	a\\'b
2	\\.	a\\'b
3	a\n\\.\nb	a\\'b
4	DROP DATABASE shop;\n	a\\'b
5	\N	a\\'b
6	tab\there	a\\'b
\.


--
-- Name: t_id_seq; Type: SEQUENCE SET; Schema: s; Owner: app
--

SELECT pg_catalog.setval('s.t_id_seq', 6, true);


--
-- Name: 4711; Type: BLOB METADATA; Schema: -; Owner: reader
--

SELECT pg_catalog.lo_create('4711');

ALTER LARGE OBJECT 4711 OWNER TO reader;

--
-- Name: LARGE OBJECT 4711; Type: COMMENT; Schema: -; Owner: reader
--

COMMENT ON LARGE OBJECT 4711 IS 'lob';


--
-- Data for Name: 4711; Type: BLOBS; Schema: -; Owner: reader
--

BEGIN;

SELECT pg_catalog.lo_open('4711', 131072);
SELECT pg_catalog.lowrite(0, '\xdeadbeef00ff');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: s; Owner: app
--

ALTER TABLE ONLY s.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (id);


--
-- Name: log r; Type: RULE; Schema: public; Owner: app
--

CREATE RULE r AS
    ON INSERT TO public.log DO ( SELECT 1 AS "?column?";
 SELECT 2 AS "?column?";
);


--
-- Name: p; Type: PUBLICATION; Schema: -; Owner: app
--

CREATE PUBLICATION p WITH (publish = 'insert, update, delete, truncate');


ALTER PUBLICATION p OWNER TO app;

--
-- Name: p t; Type: PUBLICATION TABLE; Schema: s; Owner: app
--

ALTER PUBLICATION p ADD TABLE ONLY s.t;


--
-- Name: sub; Type: SUBSCRIPTION; Schema: -; Owner: app
--

CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere dbname=x' PUBLICATION p WITH (connect = false, slot_name = 'sub');


ALTER SUBSCRIPTION sub OWNER TO app;

--
-- Name: DATABASE shop; Type: ACL; Schema: -; Owner: app
--

REVOKE CONNECT,TEMPORARY ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO reader WITH GRANT OPTION;


--
-- Name: TABLE database; Type: ACL; Schema: public; Owner: app
--

GRANT SELECT ON TABLE public.database TO reader;


--
-- Name: TABLE t; Type: ACL; Schema: s; Owner: app
--

GRANT SELECT ON TABLE s.t TO reader;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: s; Owner: owner_role
--

ALTER DEFAULT PRIVILEGES FOR ROLE owner_role IN SCHEMA s GRANT SELECT ON TABLES TO reader;


--
-- Name: ev; Type: EVENT TRIGGER; Schema: -; Owner: boss
--

CREATE EVENT TRIGGER ev ON ddl_command_end
   EXECUTE FUNCTION public.et();


ALTER EVENT TRIGGER ev OWNER TO boss;

--
-- Name: mv; Type: MATERIALIZED VIEW DATA; Schema: public; Owner: app
--

REFRESH MATERIALIZED VIEW public.mv;


--
-- PostgreSQL database dump complete
--

\unrestrict fnptzKm5uYZ4oQyffVOECTywTPrjcgS7gaiLxtfbGBfNgZfe3fmxUnkYpNiDblB

--
-- Database "tmpl" dump
--

--
-- PostgreSQL database dump
--

\restrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4

-- Dumped from database version 17.11 (Debian 17.11-0+deb13u1)
-- Dumped by pg_dump version 17.11 (Debian 17.11-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: tmpl; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE tmpl WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';


ALTER DATABASE tmpl OWNER TO app;

\unrestrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4
\connect tmpl
\restrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: tmpl; Type: DATABASE PROPERTIES; Schema: -; Owner: app
--

ALTER DATABASE tmpl IS_TEMPLATE = true;


\unrestrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4
\connect tmpl
\restrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: tt; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.tt (
    a integer
);


ALTER TABLE public.tt OWNER TO app;

--
-- Data for Name: tt; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.tt (a) FROM stdin;
\.


--
-- PostgreSQL database dump complete
--

\unrestrict LSuw7l98Tbx7dLNFawWMal9Vk2sXKDL2LIX5TULDuBYPlHaVbeLxAndTjDWivp4

--
-- PostgreSQL database cluster dump complete
--

